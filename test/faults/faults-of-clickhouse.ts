/** Faults 1 to 14: deaths at any moment, and ClickHouse and disks that fail. */
import { type Fault, simulated, tested, withFault } from './proof.ts'

const down = 'servers/clickhouse-down.test.ts'
const lostAnswer =
  'stores an insert whose answer is lost, and does not get another: each is there once'
const downThenSlow =
  'is down, then slow, under load: two processors keep their partitions, say why, and go on'

export const faultsOfClickHouse: readonly Fault[] = [
  {
    number: 1,
    what: 'the collector dies at any await',
    proofs: [
      simulated('every checkpoint', ({ faults }) => faults.length > 0, 'single'),
      tested(
        'collector/kill.test.ts',
        'every event that was answered 200 is on the log, whenever the collector is killed',
      ),
    ],
    missing: null,
  },
  {
    number: 2,
    what: 'a processor dies at any await of decoding, folding, inserting, progress and commit',
    proofs: [
      simulated('every checkpoint', ({ processors }) => processors > 1, 'single'),
      tested(
        'processor/kill.test.ts',
        'after kill -9 at any moment the tables end as if nothing had happened',
      ),
      tested(
        'servers/two-processors.test.ts',
        'one of two processors is killed under load, and nothing is lost, doubled or told twice',
      ),
    ],
    missing: null,
  },
  {
    number: 3,
    what: 'death at any await of deciding, storing, sending and recording an alert',
    proofs: [
      simulated('every checkpoint', ({ webhooks }) => webhooks > 1, 'single'),
      tested(
        'webhooks/kill.test.ts',
        'kill -9 at any moment loses no delivery and changes no byte',
      ),
    ],
    missing: null,
  },
  {
    number: 4,
    what: 'a second death while the first is mended',
    proofs: [simulated('sampled pairs of checkpoints', ({ deaths }) => deaths.length > 1, 'pairs')],
    missing: null,
  },
  {
    number: 5,
    what: 'ClickHouse applied an insert, and the connection was cut before the answer',
    proofs: [
      withFault('store: lost, twice', ({ kind, ...fault }) =>
        kind === 'store' && 'how' in fault ? ['lost', 'twice'].includes(fault.how) : false,
      ),
      tested(down, lostAnswer),
      tested('servers/clickhouse-doors.test.ts', 'webhooks wait, and each message goes out once'),
    ],
    missing: null,
  },
  {
    number: 6,
    what: 'ClickHouse did not apply an insert, and the client saw a timeout',
    proofs: [
      withFault('store: refused', fault => fault.kind === 'store' && fault.how === 'refused'),
      tested(down, lostAnswer),
    ],
    missing:
      'On the real ClickHouse the request is cut; that the client itself gives one up is simulated alone.',
  },
  {
    number: 7,
    what: 'ClickHouse down for 10 minutes',
    proofs: [tested(down, downThenSlow)],
    missing: null,
  },
  {
    number: 8,
    what: 'each insert into ClickHouse takes 20 s',
    proofs: [
      withFault('store: slow', fault => fault.kind === 'store' && fault.how === 'slow'),
      tested(down, downThenSlow),
    ],
    missing: null,
  },
  {
    number: 9,
    what: 'ClickHouse killed in the middle of inserts',
    proofs: [
      tested(
        'servers/clickhouse-killed.test.ts',
        'is killed with -9 in the middle of inserts and starts again on its directory',
      ),
      tested(
        'store/crash.test.ts',
        'kill -9 in the middle of inserts loses nothing acknowledged and leaves no half batch',
      ),
    ],
    missing: null,
  },
  {
    number: 10,
    what: 'too many parts, no memory, read-only, no table',
    proofs: [
      tested(
        down,
        'has no room for an insert: that passes, and is told meanwhile',
        'has lost a table, or lets nobody write: a partition waits, says so, and goes on when it is mended',
      ),
      tested('store/failure.test.ts', 'what passes is tried again, what does not is not'),
    ],
    missing: null,
  },
  {
    number: 11,
    what: 'disk full under ClickHouse',
    proofs: [
      tested(
        'servers/clickhouse-killed.test.ts',
        'has a full disk: progress waits with the rows, and goes on when there is room',
      ),
    ],
    missing: null,
  },
  {
    number: 12,
    what: 'disk full under Ebb itself',
    proofs: [
      tested(
        'servers/disk-full.test.ts',
        'the disk under `ebb up` is full: clicks are refused, nothing dies, and it goes on when there is room',
      ),
    ],
    missing: null,
  },
  {
    number: 13,
    what: 'an insert is tried again when ClickHouse has forgotten that it had it',
    proofs: [
      // Tables of a single server remember no inserts: each repetition comes too late.
      withFault('store: twice, late', fault =>
        fault.kind === 'store' ? ['twice', 'late'].includes(fault.how) : false,
      ),
      tested(down, lostAnswer),
    ],
    missing:
      'Tables are tried without a window; a replicated ClickHouse with one, passed by, is not run.',
  },
  {
    number: 14,
    what: 'the same range again, by another version or in other batches',
    proofs: [
      simulated('a processor dies, others fold again', ({ deaths }) => deaths.length > 0),
      tested(
        'processor/kept.test.ts',
        'handed to and fro at random, lost or given back, the tables are those of one run',
      ),
    ],
    missing: 'No older or newer build goes on in the middle of a range.',
  },
]
