/** Faults 32 to 47: webhooks, ends of processes, networks, erasure, versions and backups. */
import { type Fault, simulated, tested, testedBySuite, withFault } from './proof.ts'

const webhooks = 'webhooks/webhooks.test.ts'
const endpointChanges = 'webhooks/endpoint-changes.test.ts'
const deliver = 'webhooks/deliver.test.ts'
const group = 'log/kafka-group.test.ts'
const commands = 'servers/commands.test.ts'
/** What the other tests of its file go on from. */
const beginsProject = [
  'without a processor a rule is kept and on every log, and the command says what it waits for',
  'an import waits for the fold and says what it said of the clicks',
] as const
const receiver = (...hows: readonly string[]) =>
  withFault(
    `receiver: ${hows.join(', ')}`,
    fault => fault.kind === 'receiver' && hows.includes(fault.how),
  )

export const faultsOfDelivery: readonly Fault[] = [
  {
    number: 32,
    what: 'a receiver answers 500 for 3 hours, then heals',
    proofs: [
      receiver('error'),
      tested(
        webhooks,
        '500s are tried again with the same id and bytes until they heal',
        'after the last attempt the delivery is dead, and stays to be seen',
      ),
      tested(
        'webhooks/schedule.test.ts',
        'ten attempts over 75 hours, 35 minutes and 5 seconds',
        'the wait differs by up to a fifth either way',
      ),
    ],
    missing: 'The waits are checked as numbers; three hours are not waited for.',
  },
  {
    number: 33,
    what: 'a receiver hangs, dawdles, or answers without end',
    proofs: [
      receiver('hang', 'slow'),
      tested(
        deliver,
        'no answer within the time is a failure',
        'an endless body is cut off, and the status counts',
        'a body that never comes is waited for no longer than the time',
        'a long body that is announced is not read',
        'endless headers are cut off',
      ),
      tested(webhooks, 'one endpoint that hangs does not hold up another'),
    ],
    missing: 'How long the other endpoints take meanwhile is not measured.',
  },
  {
    number: 34,
    what: 'one dead endpoint with 100,000 deliveries among 50 that are well',
    proofs: [
      tested(webhooks, 'one endpoint that hangs does not hold up another'),
      tested(
        'webhooks/lanes.test.ts',
        'a lane runs no more than its share, in order; another lane goes on',
        'all lanes together keep to the total and take turns',
      ),
    ],
    missing: 'That many endpoints and deliveries, their times and the memory are not measured.',
  },
  {
    number: 35,
    what: 'a receiver took the message, and its answer is lost',
    proofs: [
      receiver('reset'),
      tested(
        webhooks,
        'a hang is cut at the timeout, a reset is tried again: duplicates with one id',
      ),
      tested(
        'webhooks/kill.test.ts',
        'kill -9 at any moment loses no delivery and changes no byte',
      ),
    ],
    missing: null,
  },
  {
    number: 36,
    what: 'a receiver that leads into the inner network: redirects, DNS, mapped addresses',
    proofs: [
      receiver('redirect'),
      tested(webhooks, 'a redirect is a failure and goes nowhere'),
      tested(deliver, 'a redirect is an answer and is not followed'),
    ],
    missing:
      'Addresses are not looked at: nothing blocks ranges, and no DNS that changes is tried.',
  },
  {
    number: 37,
    what: '410, 429 with Retry-After of any kind, a certificate that has expired',
    proofs: [
      receiver('gone', 'busy', 'busy date'),
      tested(
        endpointChanges,
        '410 ends the delivery and all others to that endpoint, and disables it',
      ),
      tested(webhooks, '429 with Retry-After sets the next attempt, at most twice the schedule'),
      tested(
        'webhooks/schedule.test.ts',
        'Retry-After counts between once and twice the wait',
        'Retry-After is seconds or a date, and nothing else',
      ),
    ],
    missing: 'No receiver with a certificate is tried, expired or not.',
  },
  {
    number: 38,
    what: 'a secret changes while attempts are open',
    proofs: [
      withFault(
        'endpoint: a new secret',
        fault => fault.kind === 'endpoint' && fault.how === 'secret',
      ),
      tested(
        'webhooks/signature.test.ts',
        'while a secret is changed, either one fits, and either of two signatures',
      ),
    ],
    missing: 'Receivers may have two secrets; no command changes the secret of an endpoint yet.',
  },
  {
    number: 39,
    what: 'an endpoint is removed or disabled while attempts are open',
    proofs: [
      withFault(
        'endpoint: removed, a new URL',
        fault => fault.kind === 'endpoint' && fault.how !== 'secret',
      ),
      tested(
        endpointChanges,
        'nothing goes to a removed endpoint from the change on',
        'an attempt under way to a removed endpoint is the last',
        'an endpoint that was removed while Ebb was down gets nothing',
      ),
      tested(
        'webhooks/outbox.test.ts',
        'who asks for an endpoint during a change gets it as it is afterwards',
      ),
    ],
    missing: 'A URL changes by removing the endpoint and adding another; there is no other change.',
  },
  {
    number: 40,
    what: 'SIGTERM in the middle of everything',
    proofs: [
      tested(group, 'who stops leaves at once, and has told where it got to'),
      tested('servers/kept-state.test.ts', 'a partition that comes back goes on from memory'),
      tested(
        'servers/clickhouse-apart.test.ts',
        'a processor loses sight of ClickHouse, then of Kafka, and comes back',
      ),
      tested(
        'collector/collector.test.ts',
        'stop lets a request that runs end, on a connection that would be kept alive',
      ),
      tested(webhooks, 'stop does not wait for a receiver that hangs; the attempt is made again'),
      tested(
        'servers/everybody-stops.faults.ts',
        'every service gets SIGTERM in the middle of its work, and is gone within 10 s',
      ),
    ],
    missing: null,
  },
  {
    number: 41,
    what: 'the event loop stands for 40 s',
    proofs: [
      withFault(
        'still: longer than a session of the group',
        fault => fault.kind === 'still' && fault.forMs >= 8_000,
      ),
      tested(
        group,
        'an event loop that stood longer than a session: the lease ends, the partition comes back',
      ),
      tested(
        'servers/processor-frozen.test.ts',
        'a processor frozen in the middle of an insert wakes when another has taken over',
      ),
    ],
    missing: null,
  },
  {
    number: 42,
    what: 'killed for want of memory under a backlog of 10 million records',
    proofs: [
      tested(
        'servers/small-memory.faults.ts',
        'a processor is killed for want of memory under a backlog; the next one folds the rest in 512 MiB',
      ),
    ],
    missing: 'In a quick run 60,000 clicks wait; only a long one has 10 million.',
  },
  {
    number: 43,
    what: 'the collector does not reach Kafka for 5 minutes',
    proofs: [
      withFault(
        'cut: a collector from the log',
        fault =>
          fault.kind === 'cut' && fault.from === 'log' && fault.service.startsWith('collector'),
      ),
      tested(
        'collector/durability.test.ts',
        'a log that takes nothing is answered 503, with when to come again, and keeps no reject',
        'beyond the bound of waiting bytes requests are refused, and taken again when others have ended',
      ),
      tested(
        'log/kafka-appends.test.ts',
        'beyond 64 MiB that wait, appends are refused at once; afterwards not',
        'a request that is never answered fails in time, whatever the library does',
      ),
      tested(
        'servers/kafka-away.test.ts',
        'services that cannot see Kafka are not ready, and are again when they can; no confirmed click is lost',
      ),
    ],
    missing: null,
  },
  {
    number: 44,
    what: 'a processor sees Kafka and not ClickHouse, and the other way round',
    proofs: [
      withFault(
        'cut: a processor',
        fault => fault.kind === 'cut' && fault.service.startsWith('processor'),
      ),
      tested(
        'servers/clickhouse-apart.test.ts',
        'a processor loses sight of ClickHouse, then of Kafka, and comes back',
      ),
    ],
    missing: null,
  },
  {
    number: 45,
    what: 'a user is erased while his clicks are under way, and the log is replayed',
    proofs: [
      simulated('operators erase users in the seeds', () => true),
      tested(
        'control/erase.test.ts',
        'nothing of an erased user is left in any table, and nothing more is sent to him',
        'a kill and a start, and a replay of the whole log, do not bring him back',
      ),
      tested(
        'processor/erase.test.ts',
        'a click right behind an erasure is kept, one right before it is not',
      ),
      tested(
        commands,
        ...beginsProject,
        'an endpoint that is added while webhooks run gets the next alert, signed with the secret told',
        'an erasure goes from the command through the processor to the webhooks',
      ),
    ],
    missing:
      'A process that stood still in the middle of a flush can write rows of him afterwards (docs/simulation.md, limits).',
  },
  {
    number: 46,
    what: 'two processors with other versions of the rules',
    proofs: [
      simulated('operators change rules', ({ processors }) => processors > 1),
      tested(
        commands,
        ...beginsProject,
        'rules are listed, changed, tested and removed; a typo changes nothing',
      ),
    ],
    missing:
      'Rules come by the log, so all have the same; two builds of Ebb are not run side by side.',
  },
  {
    number: 47,
    what: 'a backup of ClickHouse that is older than the offsets of Kafka is put back',
    proofs: [
      withFault('backup', fault => fault.kind === 'backup'),
      testedBySuite(
        'servers/history-gone.test.ts',
        'processor/history-gone.ts',
        'tables from an older backup: the log is folded again from there',
      ),
    ],
    missing: null,
  },
]
