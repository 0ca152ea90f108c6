/**
 * Where the handbook leaves room, the reading that the model takes; each can be switched to see what
 * hangs on it. A reading that the handbook clearly gives is not here.
 */
type Readings = {
  /**
   * session-rule.md 2 and 7: "continues a cut session and is later than the cut" would let a click
   * join the open part of one chain next to a final part of another. `all`: at or before the cut of
   * any open session of the user is late, so that no two final sessions are within the gap; `own`: the
   * words of rule 2, by which they can be.
   */
  cutFreezes: 'all' | 'own'
  /**
   * session-rule.md 1: does the next part of a cut session keep the gap that the session was opened
   * with, or is it opened with the gap of today?
   */
  partKeepsGap: boolean
  /**
   * pipe.md, Signals: mean duration and bounces of a cut session. `whole`: first click of the first
   * part to last click of the last; `parts`: each part for itself, over the number of ids.
   */
  cutSession: 'whole' | 'parts'
  /**
   * pipe.md, Signals: "an activity that ended quiet or churned", as it was known when the activity
   * came (`arrival`), or by all that is known at the end, in order of event time (`time`).
   */
  returned: 'arrival' | 'time'
  /**
   * alert-rule.md 7: has a user become subject by the record that gives him the tier or the value, if
   * that very record begins the silence (a late purchase)?
   */
  entersWithSilence: boolean
  /**
   * alert-rule.md 2: the gap shrinks after a click of the same visit; does that click, sent again, or one before it,
   * end the silence? `since` is the largest event time, so only what is newer than all before moves it.
   */
  oldActivityReturns: boolean
  /**
   * alert-rule.md 2 and foresight.md: while a recorded silence goes on, does a purchase of the same
   * visit on the next day count for its `expected` threshold ("at his last purchase")?
   */
  expectedCountsDaysAfterSince: boolean
  /** pipe.md, step 3: is an import after a `live` line held? design.md 2: "no way back". */
  holdsAfterLive: boolean
  /** design.md 2: older than arrival - 90 d is quarantined; pipe.md knows the reason `future` only. */
  quarantinesPastUnderLog: boolean
}

export const readings: Readings = {
  cutFreezes: 'all',
  partKeepsGap: true,
  cutSession: 'whole',
  returned: 'arrival',
  entersWithSilence: true,
  oldActivityReturns: false,
  expectedCountsDaysAfterSince: false,
  holdsAfterLive: false,
  quarantinesPastUnderLog: true,
}
