/** session-rule.md, clause 7: sessions that reach a cap are cut into parts. */
import { type Case, click, dead, duplicate, late, session, tick, ticked } from './cases-words.ts'

export const cutCases: Case[] = [
  {
    name: 'session 7: max-session is reached but not passed',
    args: [...ticked, '--max-session', '20ms'],
    lines: [click('u', 0), click('u', 10), click('u', 20), click('u', 21), click('u', 22)],
    expected: [session('u', 0, 20, 3, { part: 1 }), session('u', 21, 22, 2, { part: 2 })],
  },
  {
    name: 'session 7: max-clicks; parts share the id and count up',
    args: [...ticked, '--max-clicks', '2'],
    lines: [1, 2, 3, 4, 5].map(time => click('u', time, { messageId: `m${time}` })),
    expected: [
      session('u', 1, 2, 2, { part: 1, id: 'yjgeftcbkke2ryynjw6wxdsxdm' }),
      session('u', 3, 4, 2, { part: 2, id: 'yjgeftcbkke2ryynjw6wxdsxdm' }),
      session('u', 5, 5, 1, { part: 3, id: 'yjgeftcbkke2ryynjw6wxdsxdm' }),
    ],
  },
  {
    name: 'session 7: the part so far is printed at the cut',
    args: [...ticked, '--max-clicks', '1', '--no-flush'],
    lines: [click('u', 5), click('u', 5), 'x'],
    expected: [session('u', 5, 5, 1, { part: 1 }), dead(3)],
  },
  {
    name: 'session 7: an earlier click that would break max-clicks is late',
    args: [...ticked, '--max-clicks', '2'],
    lines: [click('u', 5), click('u', 9), click('u', 8), click('u', 4)],
    expected: [late('u', 8, 'cut', 0), late('u', 4, 'cut', 0), session('u', 5, 9, 2)],
  },
  {
    name: 'session 7: an earlier click that would break max-session is late',
    args: [...ticked, '--max-session', '10ms'],
    lines: [click('u', 5), click('u', 12), click('u', 2), click('u', 1)],
    expected: [late('u', 1, 'cut', 0), session('u', 2, 12, 3)],
  },
  {
    name: 'session 7: at or before the cut is late, after it joins the next part',
    args: [...ticked, '--max-clicks', '2'],
    lines: [
      click('u', 0),
      click('u', 5),
      click('u', 9),
      click('u', 5),
      click('u', 1),
      click('u', 6),
    ],
    expected: [
      session('u', 0, 5, 2, { part: 1 }),
      late('u', 5, 'cut', 0),
      late('u', 1, 'cut', 0),
      session('u', 6, 9, 2, { part: 2 }),
    ],
  },
  {
    name: 'session 7: a copy of a click before the cut is late with reason cut',
    args: [...ticked, '--max-clicks', '1'],
    lines: [
      click('u', 0, { messageId: 'm' }),
      click('u', 5, { messageId: 'n' }),
      click('u', 0, { messageId: 'm' }),
      click('u', 5, { messageId: 'n' }),
    ],
    expected: [
      session('u', 0, 0, 1, { part: 1 }),
      late('u', 0, 'cut', 0),
      duplicate('u', 5, 'n'),
      session('u', 5, 5, 1, { part: 2 }),
    ],
  },
  {
    name: 'session 7: once the last part is closed too, the reason is the bound',
    args: [...ticked, '--max-clicks', '1'],
    lines: [click('u', 0), click('u', 5), tick(16), click('u', 5)],
    expected: [
      session('u', 0, 0, 1, { part: 1 }),
      session('u', 5, 5, 1, { part: 2 }),
      late('u', 5, 'bound', 11),
    ],
  },
  {
    name: 'session 7: a bridge whose merge breaks a cap joins the earlier, the later is the next part',
    args: [...ticked, '--max-clicks', '3'],
    lines: [
      click('u', 20, { messageId: 'm20' }),
      click('u', 21),
      click('u', 0, { messageId: 'm0' }),
      click('u', 10),
      click('u', 10),
      click('u', 11),
    ],
    expected: [
      session('u', 0, 10, 2, { part: 1, id: 'dqwnm55bbsi22ngvktqaazqxis' }),
      late('u', 10, 'cut', 0),
      session('u', 11, 21, 3, { part: 2, id: 'dqwnm55bbsi22ngvktqaazqxis' }),
    ],
  },
  {
    name: 'session 7: a bridge that cuts the earlier alone is a part of its own',
    args: [...ticked, '--max-clicks', '2'],
    lines: [
      click('u', 20, { messageId: 'm20' }),
      click('u', 0, { messageId: 'm0' }),
      click('u', 1),
      click('u', 11),
    ],
    expected: [
      session('u', 0, 1, 2, { part: 1, id: 'dqwnm55bbsi22ngvktqaazqxis' }),
      session('u', 11, 11, 1, { part: 2, id: 'dqwnm55bbsi22ngvktqaazqxis' }),
      session('u', 20, 20, 1, { part: 3, id: 'dqwnm55bbsi22ngvktqaazqxis' }),
    ],
  },
  {
    name: 'session 7: a cut session that grows into a later one keeps its id',
    args: [...ticked, '--max-clicks', '3'],
    lines: [
      click('u', 30, { messageId: 'm30' }),
      click('u', 0, { messageId: 'm0' }),
      click('u', 1),
      click('u', 2),
      click('u', 12),
      click('u', 21),
    ],
    expected: [
      session('u', 0, 2, 3, { part: 1, id: 'dqwnm55bbsi22ngvktqaazqxis' }),
      session('u', 12, 30, 3, { part: 2, id: 'dqwnm55bbsi22ngvktqaazqxis' }),
    ],
  },
  {
    name: 'session 7: 0 is no cap',
    args: [...ticked, '--max-clicks', '0', '--max-session', '0'],
    lines: [click('u', 0), click('u', 10), click('u', 20), click('u', 30)],
    expected: [session('u', 0, 30, 4, { part: 1 })],
  },
  {
    name: 'session 7: before the cut of another open session too, or two final ones would be near',
    args: [...ticked, '--max-session', '10ms'],
    lines: [22, 0, 11, 1, 33, 23, 12].map(time => click('u', time)),
    expected: [
      session('u', 0, 1, 2, { part: 1 }),
      session('u', 22, 23, 2, { part: 1 }),
      late('u', 12, 'cut', 0),
      session('u', 11, 11, 1, { part: 2 }),
      session('u', 33, 33, 1, { part: 2 }),
    ],
  },
]
