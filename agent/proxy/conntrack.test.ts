import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Exec, ExecError } from '#agent/host/exec.ts';
import { cleanStaleFlows, deleteArgv, type Flow, parseFlows, staleFlows } from './conntrack.ts';
import { endpoint, notReady, service, slice, terminating } from './objects.testing.ts';
import { buildServiceState } from './state.ts';

const dns = [{ name: 'dns', port: 53, protocol: 'UDP', nodePort: 30053 }];
const target = [{ name: 'dns', port: 5353, protocol: 'UDP' }];
const stateWith = (...endpoints: ReturnType<typeof endpoint>[]) =>
  buildServiceState(
    {
      services: [service('kube-system/dns', '10.96.0.10', dns, { externalIPs: ['192.0.2.7'] })],
      endpointSlices: [slice('kube-system/dns', target, endpoints)],
    },
    { nodeName: 'here' },
  );
const flow = (to: string, port: number, from: string, fromPort = 5353): Flow => ({
  protocol: 'udp',
  originalDestination: to,
  originalPort: port,
  replySource: from,
  replyPort: fromPort,
});

describe('parseFlows', () => {
  it('reads entries with and without an answer, and nothing else', () => {
    const text = [
      'udp      17 27 src=10.244.1.11 dst=10.96.0.10 sport=40053 dport=53 [UNREPLIED] src=10.244.1.12 dst=10.244.1.11 sport=5353 dport=40053 mark=0 use=1',
      'udp      17 118 src=fd00::1 dst=fd00:10::a sport=1 dport=53 src=fd00::2 dst=fd00::1 sport=5353 dport=1 [ASSURED] mark=0 use=1',
      'conntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown.',
    ].join('\n');
    assert.deepEqual(parseFlows(text, 'udp'), [flow('10.96.0.10', 53, '10.244.1.12'), flow('fd00:10::a', 53, 'fd00::2')]);
  });
});

describe('staleFlows', () => {
  const state = stateWith(
    endpoint('10.244.1.1'),
    endpoint('10.244.1.2', 'x', terminating),
    endpoint('10.244.1.3', 'x', notReady),
  );
  const cases: [string, Flow, boolean][] = [
    ['to a serving endpoint', flow('10.96.0.10', 53, '10.244.1.1'), false],
    ['to an endpoint that still serves while it terminates', flow('10.96.0.10', 53, '10.244.1.2'), false],
    ['to an endpoint that serves no more', flow('10.96.0.10', 53, '10.244.1.3'), true],
    ['to a pod that is gone', flow('10.96.0.10', 53, '10.244.9.9'), true],
    ['to the right pod and a wrong port', flow('10.96.0.10', 53, '10.244.1.1', 99), true],
    ['from before there were rules, not translated', flow('10.96.0.10', 53, '10.96.0.10', 53), true],
    ['of the node port', flow('192.168.0.2', 30053, '10.244.9.9'), true],
    ['of the external IP', flow('192.0.2.7', 53, '10.244.9.9'), true],
    ['of something else', flow('8.8.8.8', 53, '8.8.8.8', 53), false],
  ];
  for (const [what, entry, stale] of cases) {
    it(`${stale ? 'finds' : 'leaves'} an entry ${what}`, () =>
      assert.deepEqual(staleFlows([entry, entry], state), stale ? [entry] : []));
  }

  it('finds what was translated for a service that has no endpoints left, and leaves what was rejected', () => {
    const translated = [flow('10.96.0.10', 53, '10.244.9.9'), flow('192.168.0.2', 30053, '10.244.9.9')];
    const rejected = flow('10.96.0.10', 53, '10.96.0.10', 53);
    assert.deepEqual(staleFlows([...translated, rejected], stateWith(endpoint('10.244.1.3', 'x', notReady))), translated);
  });

  it('leaves flows to the number of a node port elsewhere', () => {
    assert.deepEqual(staleFlows([flow('8.8.8.8', 30053, '8.8.8.8', 30053)], state), []);
  });

  it('finds those of SCTP, apart from those of UDP on the same port', () => {
    const both = ['UDP', 'SCTP'].map((protocol) => ({ name: protocol.toLowerCase(), port: 53, protocol }));
    const mixed = buildServiceState(
      {
        services: [service('default/both', '10.96.0.20', both)],
        endpointSlices: [
          slice('default/both', [{ name: 'udp', port: 5353, protocol: 'UDP' }], [endpoint('10.244.1.1')], 'a'),
          slice('default/both', [{ name: 'sctp', port: 5353, protocol: 'SCTP' }], [endpoint('10.244.1.2')], 'b'),
        ],
      },
      { nodeName: 'here' },
    );
    const sctp = (from: string): Flow => ({ ...flow('10.96.0.20', 53, from), protocol: 'sctp' });
    const flows = [flow('10.96.0.20', 53, '10.244.1.1'), sctp('10.244.1.1'), sctp('10.244.1.2')];
    assert.deepEqual(staleFlows(flows, mixed), [sctp('10.244.1.1')]);
  });
});

describe('cleanStaleFlows', () => {
  const listing =
    'udp 17 27 src=10.244.1.11 dst=10.96.0.10 sport=1 dport=53 src=10.244.9.9 dst=10.244.1.11 sport=5353 dport=1 use=1\n';
  const execWith =
    (onDelete: (argv: readonly string[]) => void): Exec =>
    async (argv) => {
      if (argv.includes('-D')) onDelete(argv);
      return { exitCode: 0, stdout: argv.includes('-L') ? listing : '', stderr: '' };
    };
  const refuse = (stderr: string): Exec =>
    execWith((argv) => {
      throw new ExecError(argv, { exitCode: 1, stdout: '', stderr });
    });

  it('deletes by original destination and reply source', async () => {
    const deleted: (readonly string[])[] = [];
    assert.equal(
      await cleanStaleFlows(
        execWith((argv) => deleted.push(argv)),
        stateWith(endpoint('10.244.1.1')),
      ),
      1,
    );
    assert.deepEqual(deleted, [deleteArgv('IPv4', flow('10.96.0.10', 53, '10.244.9.9'))]);
    assert.equal(
      deleted[0]?.join(' '),
      'conntrack -D -f ipv4 -p udp --orig-dst 10.96.0.10 --orig-port-dst 53 --reply-src 10.244.9.9 --reply-port-src 5353',
    );
  });

  it('ignores an entry that has expired meanwhile, and reports a refusal', async () => {
    await cleanStaleFlows(
      refuse('conntrack v1.4.7 (conntrack-tools): 0 flow entries have been deleted.'),
      stateWith(endpoint('10.244.1.1')),
    );
    await assert.rejects(
      cleanStaleFlows(refuse('Operation failed: you must be root'), stateWith(endpoint('10.244.1.1'))),
      /you must be root/,
    );
  });
});
