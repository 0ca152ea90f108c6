/** Faults 15 to 31: Kafka, its groups and topics, and what comes on them. */
import type { Plan } from '../simulation/plan.ts'
import { type Fault, simulated, tested, testedBySuite, withFault } from './proof.ts'

const group = 'log/kafka-group.test.ts'
const kafka = 'log/kafka.test.ts'
const codec = 'log/codec.test.ts'
const cluster = tested(
  'log/kafka-cluster.test.ts',
  'brokers killed and restarted under load: what was acknowledged is there, once, in order',
)
const historyGone = (...titles: readonly string[]) =>
  testedBySuite('servers/history-gone.test.ts', 'processor/history-gone.ts', ...titles)
const damage = tested(
  'simulation/damage.test.ts',
  'a log that is … is told, and not passed over: seed …',
)
/** What the other tests of its file go on from. */
const beginsProject = 'status 0 where all is well'
const isMove = (moment: 'before' | 'behind') => (fault: Plan['faults'][number]) =>
  fault.kind === 'move' && fault.moment === moment
/** Clients of every seed send again, late, early, years off, and garbage. */
const clients = simulated('clients of every seed', () => true)

export const faultsOfKafka: readonly Fault[] = [
  {
    number: 15,
    what: 'an owner stands still, another takes over, the first wakes',
    proofs: [
      withFault(
        'still: longer than a session of the group',
        fault => fault.kind === 'still' && fault.forMs >= 8_000,
      ),
      tested(group, 'a frozen process loses its partitions, and knows it as soon as it thaws'),
      tested(
        'servers/processor-frozen.test.ts',
        'a processor frozen in the middle of an insert wakes when another has taken over',
      ),
      tested(
        'servers/two-rebuilds.faults.ts',
        'the second is refused while the first is alive, and goes on when it stands still',
      ),
    ],
    missing: null,
  },
  {
    number: 16,
    what: 'members of the group come and go all the time',
    proofs: [
      withFault('visitor', fault => fault.kind === 'visitor' && fault.of === 'processor'),
      tested(
        'processor/kept.test.ts',
        'handed to and fro at random, lost or given back, the tables are those of one run',
      ),
      tested('servers/kept-state.test.ts', 'a partition that comes back goes on from memory'),
      tested(
        'servers/group-storm.faults.ts',
        'processors join and leave every 2 s, and one of them is killed each time around',
      ),
    ],
    missing: null,
  },
  {
    number: 17,
    what: 'the group changes while work takes longer than it waits',
    proofs: [
      withFault(
        'cut off from the coordinator',
        fault => fault.kind === 'cut' && fault.from === 'group' && fault.forMs >= 8_000,
      ),
      tested(
        group,
        'work that takes longer than a session keeps its partition, and no other waits for it',
        'an event loop that stood longer than a session: the lease ends, the partition comes back',
      ),
    ],
    missing: 'A commit of an old generation that reaches a real broker is not tried.',
  },
  {
    number: 18,
    what: 'brokers restart one after another under load on many partitions',
    proofs: [
      cluster,
      tested(
        'collector/durability.test.ts',
        'one partition that refuses makes the whole request unconfirmed',
      ),
      tested(
        'servers/everybody-stops.faults.ts',
        'three brokers are restarted one after the other, then killed one after the other',
      ),
    ],
    missing: null,
  },
  {
    number: 19,
    what: 'the leader moves between looking it up and the append',
    proofs: [
      withFault('move: right before an append', isMove('before')),
      withFault('move: right behind an append, before its answer', isMove('behind')),
      cluster,
      tested(
        'log/kafka-silent.test.ts',
        'what a halted broker led goes on with another, whoever asked it last, and whoever begins with it',
      ),
      tested(kafka, 'who leads, and how many partitions there are, is asked anew each minute'),
    ],
    missing: 'On real brokers the moment is not forced: appends are under way when brokers die.',
  },
  {
    number: 20,
    what: 'a replica that lacks records became leader: the log is cut',
    proofs: [
      damage,
      historyGone(
        'a log that ends before the tables: it says how many records are gone, and stops',
        'another log in the place of the one that was folded is refused',
      ),
      tested(
        'servers/unclean-election.faults.ts',
        'a replica that lacks records becomes leader: how many are gone is said, and nothing is folded',
      ),
    ],
    missing: null,
  },
  {
    number: 21,
    what: 'retention passed the stored offset',
    proofs: [
      damage,
      historyGone('retention passed the tables: it says how many records are gone, and stops'),
      tested(kafka, 'records deleted under a slow owner: offsetGone, no jump'),
      tested(
        'servers/doctor.test.ts',
        beginsProject,
        'clocks that differ, and time that stands still',
        'records that are gone unfolded, and a topic with the wrong settings',
      ),
    ],
    missing: null,
  },
  {
    number: 22,
    what: 'a topic deleted and made anew',
    proofs: [
      damage,
      tested(kafka, 'a topic made anew: owners stop, appends and reads are refused'),
      historyGone(
        'a log that ends before the tables: it says how many records are gone, and stops',
        'another log in the place of the one that was folded is refused',
      ),
    ],
    missing: null,
  },
  {
    number: 23,
    what: 'more partitions',
    proofs: [
      tested('servers/grow.test.ts', 'from 4 to 16 partitions while clicks come in'),
      tested(
        'servers/grow-killed.faults.ts',
        'the command, a collector and processors are killed in the middle of growths under load',
      ),
      tested(
        'servers/two-growths.faults.ts',
        'the first stands still, the second goes on, and what the first wanted does not happen',
      ),
      tested(
        'rebuild/grow.test.ts',
        '… are those of one that never grew',
        'every alert is on its log with one body, and no other is',
      ),
      tested(kafka, 'a topic that has grown stops its owners'),
    ],
    missing: null,
  },
  {
    number: 24,
    what: 'messages that come twice: clients, producers, a replayed hour',
    proofs: [
      clients,
      withFault('append: twice', fault => fault.kind === 'append' && fault.how === 'twice'),
      tested('processor/properties.test.ts', 'the fold equals the model: …'),
      tested(
        'servers/replayed-hour.test.ts',
        'a whole hour is produced once more: it is counted, and nothing else changes',
      ),
    ],
    missing: null,
  },
  {
    number: 25,
    what: 'clicks out of order and late, by minutes and days',
    proofs: [
      clients,
      tested(
        'processor/properties.test.ts',
        'the fold equals the model: …',
        'within the disorder bound the order of arrival changes neither bounds nor counts',
      ),
    ],
    missing: null,
  },
  {
    number: 26,
    what: 'poison: bad JSON, wrong types, no value, no key, an unknown version',
    proofs: [
      clients,
      tested(
        codec,
        'a tombstone is dead: null',
        'an unknown schema id is dead: schema, with the id',
        'what has no frame is dead: avro',
        'what begins with a brace and is no JSON is dead: json, and is not quoted',
      ),
      tested(
        'collector/bad-input.test.ts',
        'the same events in one batch are each named, and stop nothing',
      ),
      tested('webhooks/webhooks.test.ts', 'a record that is no alert is counted and stops nothing'),
    ],
    missing: null,
  },
  {
    number: 27,
    what: 'poison: huge, deep, __proto__, no numbers, lone surrogates, bad compression',
    proofs: [
      tested(
        'collector/bad-input.test.ts',
        'a single event is answered 400 and kept: …',
        'a request is answered … and kept: …',
        'a small gzip of much is refused once it is inflated past the bound',
        'gzip that is cut, or none, is refused',
        'lone surrogates in properties and names become readable text on the log',
      ),
      tested(
        codec,
        'JSON nested deeper than the stack is dead, not a crash',
        'random bytes behind any frame never throw',
        'a list that claims billions of items is dead at once',
        'a click that breaks a promise is dead: invalid',
      ),
      tested(
        kafka,
        'a batch that cannot be read stops its partition; the others go on',
        'a record that no broker takes is logRejected; the next is taken',
      ),
    ],
    missing: 'Memory is not measured meanwhile; snappy on the topic is not tried.',
  },
  {
    number: 28,
    what: 'our own code throws',
    proofs: [
      withFault('bug: behind an insert or an append', ({ kind }) => kind === 'bug'),
      testedBySuite(
        'log/embedded.test.ts',
        'log/own-contract.ts',
        'a bug in records: the partition is lost to its owner, who opens it anew; the others go on',
        'a bug in open is told, and open is asked again',
      ),
      testedBySuite(
        'log/kafka.test.ts',
        'log/own-contract.ts',
        'a bug in records: the partition is lost to its owner, who opens it anew; the others go on',
      ),
      tested(
        'processor/bugs.test.ts',
        'a bug at any call leaves nothing out: the partition begins anew, and the tables are those of one run',
        'a flush that throws before the first record of a life is told by that record',
      ),
      tested(
        'log/kafka-group.test.ts',
        'a partition that threw and is another’s before it is opened anew is closed once more',
      ),
    ],
    missing:
      'A bug in one attempt of webhooks holds up that delivery until a restart; nothing throws in the fold itself, in the collector or in the page.',
  },
  {
    number: 29,
    what: 'old and new producers together, new and narrowed fields',
    proofs: [
      tested(codec, 'a click of schema 1 is read without import and context'),
      tested('log/click.test.ts', 'a random click of either schema reads as avsc reads it'),
      tested(
        'processor/producers.test.ts',
        'old and new producers together make what new ones alone do; those to come are counted',
      ),
    ],
    missing: 'No field was ever narrowed.',
  },
  {
    number: 30,
    what: 'clocks jump and differ',
    proofs: [
      withFault('skew; leader: a broker’s clock; still: suspended', fault =>
        fault.kind === 'still' ? fault.suspended : ['skew', 'leader'].includes(fault.kind),
      ),
      tested(kafka, 'the broker’s time counts, not the writer’s'),
      tested(
        'webhooks/signature.test.ts',
        'a signature older or younger than the tolerance is refused',
      ),
      tested(
        'servers/doctor.test.ts',
        beginsProject,
        'clocks that differ, and time that stands still',
      ),
    ],
    missing:
      'Simulated clocks are 15 s off at most, and real processes under a changed clock are not run.',
  },
  {
    number: 31,
    what: 'clocks of clients are off by years',
    proofs: [
      clients,
      tested(
        'collector/clock-rule.test.ts',
        'a wrong clock is put right by what it says when it sends',
        'an event sent before it happened is at most five minutes in the future',
        'a correction to before 1970 is a bad time',
      ),
      tested(codec, 'a click that breaks a promise is dead: invalid'),
    ],
    missing: null,
  },
]
