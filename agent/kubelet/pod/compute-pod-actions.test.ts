import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pod } from '#api/types.generated.ts';
import { aContainer, aPod, aSandbox, observe, observedContainer } from '../pods.testing.ts';
import type { ProbeResults } from './compute-pod-actions.ts';
import { computePodActions } from './compute-pod-actions.ts';
import type { ObservedPod } from './observed.ts';

const noProbes: ProbeResults = { startup: () => undefined, liveness: () => undefined };

interface Summary {
  kill?: boolean;
  sandbox?: number;
  init?: string[];
  start?: string[];
  ephemeral?: string[];
  killed?: string[];
}

/** What matters of a plan; absent: nothing of it. */
function plan(pod: Pod, observed: ObservedPod, probes = noProbes): Summary {
  const actions = computePodActions(pod, observed, probes, () => undefined);
  const names = (key: 'init' | 'start' | 'ephemeral' | 'killed', list: string[]): Summary =>
    list.length === 0 ? {} : { [key]: list };
  return {
    ...(actions.killPod ? { kill: true } : {}),
    ...(actions.createSandbox ? { sandbox: actions.attempt } : {}),
    ...names(
      'init',
      actions.startInit.map(({ name }) => name),
    ),
    ...names(
      'start',
      actions.start.map(({ name }) => name),
    ),
    ...names(
      'ephemeral',
      actions.startEphemeral.map(({ name }) => name),
    ),
    ...names(
      'killed',
      actions.kill.map(({ message }) => message),
    ),
  };
}

const c = aContainer('c');
const d = aContainer('d');
const i1 = aContainer('i1');
const i2 = aContainer('i2');
const side = aContainer('side', { restartPolicy: 'Always' });
const run = (container: typeof c) => observedContainer(container, 'running');
const end = (container: typeof c, code = 0) => observedContainer(container, code);
const two = (more: Parameters<typeof aPod>[0] = {}): Pod => aPod({ containers: [c, d], ...more });
const withInit = (more: Parameters<typeof aPod>[0] = {}): Pod => aPod({ initContainers: [i1, i2], ...more });
const withSide = (more: Parameters<typeof aPod>[0] = {}): Pod => aPod({ initContainers: [i1, side, i2], ...more });
const notReady = aSandbox({ state: 'SANDBOX_NOTREADY' });

describe('computePodActions: sandbox', () => {
  const cases: [string, Pod, ObservedPod, Summary][] = [
    ['creates the first sandbox', two(), observe([], []), { kill: true, sandbox: 0, start: ['c', 'd'] }],
    ['replaces a sandbox that is down', two(), observe([run(c)], [notReady]), { kill: true, sandbox: 1, start: ['c', 'd'] }],
    [
      'replaces a sandbox without an address',
      two(),
      observe([], [aSandbox({ network: { ip: '', additionalIps: [] } })]),
      { kill: true, sandbox: 1, start: ['c', 'd'] },
    ],
    [
      'keeps one without an address on the host network',
      aPod({ hostNetwork: true }),
      observe(
        [run(c)],
        [
          aSandbox({
            network: { ip: '', additionalIps: [] },
            namespaceOptions: { network: 'NODE', pid: 'CONTAINER', ipc: 'POD' },
          }),
        ],
      ),
      {},
    ],
    [
      'replaces all when two are ready',
      two(),
      observe([], [aSandbox({ id: 's1' }), aSandbox()]),
      { kill: true, sandbox: 1, start: ['c', 'd'] },
    ],
    [
      'begins a new sandbox with the first init container',
      withInit(),
      observe([end(i1), end(i2), run(c)], [notReady]),
      { kill: true, sandbox: 1, init: ['i1'] },
    ],
    [
      'makes none for a pod that never restarts and has run',
      two({ restartPolicy: 'Never' }),
      observe([end(c, 1)], [notReady]),
      { kill: true },
    ],
    [
      'makes one for a pod that never restarts and never ran',
      two({ restartPolicy: 'Never' }),
      observe([], [notReady]),
      { kill: true, sandbox: 1, start: ['c', 'd'] },
    ],
    [
      'leaves out what succeeded under OnFailure',
      two({ restartPolicy: 'OnFailure' }),
      observe([end(c), end(d, 1)], [notReady]),
      { kill: true, sandbox: 1, start: ['d'] },
    ],
    [
      'makes none when all succeeded under OnFailure',
      two({ restartPolicy: 'OnFailure' }),
      observe([end(c), end(d)], [notReady]),
      { kill: true },
    ],
  ];
  for (const [name, pod, observed, expected] of cases) it(name, () => assert.deepEqual(plan(pod, observed), expected));
});

describe('computePodActions: containers', () => {
  const changed = observedContainer(aContainer('c', { image: 'old' }), 'running');
  const deleted = aPod({ containers: [c, d] }, { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } });
  const cases: [string, Pod, ObservedPod, Summary][] = [
    ['leaves running containers alone', two(), observe([run(c), run(d)]), {}],
    ['starts what is missing', two(), observe([run(c)]), { start: ['d'] }],
    ['restarts after success under Always', two(), observe([end(c), run(d)]), { start: ['c'] }],
    [
      'restarts only failures under OnFailure',
      two({ restartPolicy: 'OnFailure' }),
      observe([end(c), end(d, 1)]),
      { start: ['d'] },
    ],
    ['ends the pod when all are done', two({ restartPolicy: 'OnFailure' }), observe([end(c), end(d)]), { kill: true }],
    ['ends the pod when all failed under Never', two({ restartPolicy: 'Never' }), observe([end(c, 1), end(d)]), { kill: true }],
    ['keeps the pod while one runs under Never', two({ restartPolicy: 'Never' }), observe([end(c, 1), run(d)]), {}],
    [
      'restarts a changed container whatever the policy',
      two({ restartPolicy: 'Never' }),
      observe([changed, run(d)]),
      { start: ['c'], killed: ['Container c definition changed, will be restarted'] },
    ],
    [
      'starts again what was created but never started',
      two(),
      observe([observedContainer(c, 'created'), run(d)]),
      { start: ['c'] },
    ],
    [
      'kills an unknown container before it starts again',
      two(),
      observe([observedContainer(c, 'unknown'), run(d)]),
      { start: ['c'], killed: ['Container is in "unknown" state, try killing it before restart'] },
    ],
    ['restarts nothing of a deleted pod', deleted, observe([end(c), run(d)]), {}],
    [
      'looks at the newest container of a name',
      two(),
      observe([observedContainer(c, 'running', { restartCount: 1 }), end(c, 1), run(d)]),
      {},
    ],
    [
      'starts ephemeral containers once',
      aPod({ ephemeralContainers: [{ name: 'dbg' }] }),
      observe([run(c)]),
      { ephemeral: ['dbg'] },
    ],
    [
      'never restarts ephemeral containers',
      aPod({ ephemeralContainers: [{ name: 'dbg' }] }),
      observe([run(c), end(aContainer('dbg'), 1)]),
      {},
    ],
    [
      'obeys a container of its own restart rule',
      aPod({
        restartPolicy: 'Never',
        containers: [{ ...c, restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }] }],
      }),
      observe([end(c, 42)]),
      { start: ['c'] },
    ],
  ];
  for (const [name, pod, observed, expected] of cases) it(name, () => assert.deepEqual(plan(pod, observed), expected));
});

describe('computePodActions: probes', () => {
  const failing = (kind: 'startup' | 'liveness'): ProbeResults => ({
    ...noProbes,
    [kind]: (id: string) => (id === 'c-0' ? 'failure' : undefined),
  });
  it('restarts on a failed liveness probe', () => {
    assert.deepEqual(plan(two(), observe([run(c), run(d)]), failing('liveness')), {
      start: ['c'],
      killed: ['Container c failed liveness probe, will be restarted'],
    });
  });
  it('restarts on a failed startup probe', () => {
    assert.deepEqual(plan(two(), observe([run(c), run(d)]), failing('startup')), {
      start: ['c'],
      killed: ['Container c failed startup probe, will be restarted'],
    });
  });
  it('kills without restart under Never', () => {
    assert.deepEqual(plan(two({ restartPolicy: 'Never' }), observe([run(c), run(d)]), failing('liveness')), {
      killed: ['Container c failed liveness probe'],
    });
  });
});

describe('computePodActions: init containers', () => {
  const probed = { ...side, startupProbe: { exec: { command: ['true'] } } };
  const started: ProbeResults = { ...noProbes, startup: () => 'success' };
  const unstarted: ProbeResults = { ...noProbes, startup: () => 'failure' };
  const cases: [string, Pod, ObservedPod, Summary, ProbeResults?][] = [
    ['start with the first', withInit(), observe(), { init: ['i1'] }],
    ['run one at a time', withInit(), observe([run(i1)]), {}],
    ['go on to the next', withInit(), observe([end(i1)]), { init: ['i2'] }],
    ['then let containers start', withInit(), observe([end(i2), end(i1)]), { start: ['c'] }],
    ['count as done when the last is known and the others were removed', withInit(), observe([end(i2)]), { start: ['c'] }],
    ['do not run again beside running containers', withInit(), observe([run(c)]), {}],
    ['run again when they fail', withInit(), observe([end(i1, 1)]), { init: ['i1'] }],
    ['fail the pod under Never', withInit({ restartPolicy: 'Never' }), observe([end(i1, 1)]), { kill: true }],
    ['that are sidecars let the next start once they run', withSide(), observe([run(side), end(i1)]), { init: ['i2'] }],
    [
      'wait for the startup probe of a sidecar',
      withSide({ initContainers: [i1, probed, i2] }),
      observe([run(probed), end(i1)]),
      {},
    ],
    [
      'go on when that probe succeeded',
      withSide({ initContainers: [i1, probed, i2] }),
      observe([run(probed), end(i1)]),
      { init: ['i2'] },
      started,
    ],
    [
      'restart a sidecar whose startup probe failed',
      withSide({ initContainers: [i1, probed, i2] }),
      observe([run(probed), end(i1)]),
      { init: ['side'], killed: ['Init container side failed startup probe'] },
      unstarted,
    ],
    [
      'restart a sidecar beside running containers',
      withSide(),
      observe([run(c), end(side, 1), end(i2), end(i1)]),
      { init: ['side'] },
    ],
    [
      'restart a sidecar under Never too',
      withSide({ restartPolicy: 'Never' }),
      observe([run(c), end(side, 1)]),
      { init: ['side'] },
    ],
    [
      'do not restart sidecars of a finished pod',
      withSide({ restartPolicy: 'Never' }),
      observe([end(c), end(side, 1), end(i2), end(i1)]),
      { kill: true },
    ],
  ];
  for (const [name, pod, observed, expected, probes] of cases)
    it(name, () => assert.deepEqual(plan(pod, observed, probes), expected));
});
