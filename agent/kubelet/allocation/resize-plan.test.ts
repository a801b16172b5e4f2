import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Container, PodSpec, ResourceRequirements } from '#api/types.generated.ts';
import { computePodActions } from '../pod/compute-pod-actions.ts';
import { aContainer, aPod, observe, observedContainer } from '../pods.testing.ts';
import { type Actuated, isResizeInProgress } from './resize-plan.ts';

type List = Record<string, string>;
const give = (requests: List, limits: List = {}): ResourceRequirements => ({ requests, limits });
const noProbes = { startup: () => undefined, liveness: () => undefined };
const restartFor = (...names: string[]): Partial<Container> => ({
  resizePolicy: names.map((resourceName) => ({ resourceName, restartPolicy: 'RestartContainer' })),
});

/** What is done to running containers that have `has` and were promised what the spec says. */
function plan(spec: Partial<PodSpec>, has: Record<string, ResourceRequirements | undefined>) {
  const pod = aPod({ containers: [], ...spec });
  const all = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  const observed = observe(all.map((container) => observedContainer(container, 'running')));
  const actuated: Actuated = ({ name }) => has[name];
  const { resize, kill, start, startInit } = computePodActions(pod, observed, noProbes, actuated);
  return {
    memory: resize.memory.map(({ container }) => container.name),
    cpu: resize.cpu.map(({ container }) => container.name),
    kill: kill.map(({ message }) => message),
    start: [...startInit, ...start].map(({ name }) => name),
    inProgress: isResizeInProgress(pod, observed, actuated),
  };
}

const nothing = { memory: [], cpu: [], kill: [], start: [], inProgress: false };
const c = (resources: ResourceRequirements, more: Partial<Container> = {}): Container => aContainer('c', { resources, ...more });

describe('the plan of a resize', () => {
  it('is empty when containers have what was promised, in whatever words', () => {
    const has = give({ cpu: '1000m', memory: '1024Mi' });
    assert.deepEqual(plan({ containers: [c(give({ cpu: '1', memory: '1Gi' }))] }, { c: has }), nothing);
  });

  it('leaves alone a container of which nobody knows what it has', () => {
    assert.deepEqual(plan({ containers: [c(give({ cpu: '2' }), restartFor('cpu'))] }, {}), nothing);
  });

  const cases: [what: string, wants: ResourceRequirements, has: ResourceRequirements, memory: string[], cpu: string[]][] = [
    ['more CPU', give({ cpu: '2' }), give({ cpu: '1' }), [], ['c']],
    ['a limit of memory', give({ cpu: '1' }, { memory: '1Gi' }), give({ cpu: '1' }), ['c'], []],
    ['less of both', give({ cpu: '1', memory: '1' }), give({ cpu: '2', memory: '2' }), ['c'], ['c']],
    ['other resources only', give({ cpu: '1', 'ephemeral-storage': '2' }), give({ cpu: '1' }), [], []],
  ];
  for (const [what, wants, has, memory, cpu] of cases)
    it(`updates a container in place for ${what}`, () => {
      const inProgress = memory.length + cpu.length > 0;
      assert.deepEqual(plan({ containers: [c(wants)] }, { c: has }), { ...nothing, memory, cpu, inProgress });
    });

  it('has what shrinks make room for what grows', () => {
    const names = ['a', 'b', 'd', 'e'];
    const wants = ['3', '1', '3', '1'];
    const containers = names.map((name, index) => aContainer(name, { resources: give({ cpu: wants[index] ?? '' }) }));
    const has = Object.fromEntries(names.map((name) => [name, give({ cpu: '2' })]));
    assert.deepEqual(plan({ containers }, has).cpu, ['e', 'b', 'a', 'd']);
  });

  it('restarts a container whose policy asks for it, and only for that resource', () => {
    const has = give({ cpu: '1', memory: '1Gi' });
    const more = plan({ containers: [c(give({ cpu: '1', memory: '2Gi' }), restartFor('memory'))] }, { c: has });
    assert.deepEqual(more, { ...nothing, kill: ['Container c resize requires restart'], start: ['c'], inProgress: true });
    const other = plan({ containers: [c(give({ cpu: '2', memory: '1Gi' }), restartFor('memory'))] }, { c: has });
    assert.deepEqual(other, { ...nothing, cpu: ['c'], inProgress: true });
  });

  it('gives containers without limits those of the pod', () => {
    const has = give({}, { memory: '1Gi' });
    const bigger = plan({ containers: [c({})], resources: { limits: { memory: '2Gi' } } }, { c: has });
    assert.deepEqual(bigger, { ...nothing, memory: ['c'], inProgress: true });
  });

  it('reaches sidecars, which may restart for it, and the init container that runs', () => {
    const sidecar = aContainer('side', { restartPolicy: 'Always', resources: give({ cpu: '2' }) });
    const init = aContainer('init', { resources: give({ cpu: '2' }) });
    const has = { side: give({ cpu: '1' }), init: give({ cpu: '1' }), c: give({}) };
    const running = plan({ containers: [c(give({}))], initContainers: [sidecar] }, has);
    assert.deepEqual(running, { ...nothing, cpu: ['side'], inProgress: true });
    const restarting = plan({ containers: [c(give({}))], initContainers: [{ ...sidecar, ...restartFor('cpu') }] }, has);
    assert.deepEqual([restarting.kill, restarting.start], [['Container side resize requires restart'], ['side']]);
    assert.deepEqual(plan({ initContainers: [init] }, has).cpu, ['init']);
  });

  it('of thousands of containers takes no time', () => {
    const many = Array.from({ length: 5000 }, (_, index) => aContainer(`c${index}`, { resources: give({ cpu: '2' }) }));
    const has = Object.fromEntries(many.map(({ name }) => [name, give({ cpu: '1' })]));
    const startMs = performance.now();
    assert.equal(plan({ containers: many }, has).cpu.length, 5000);
    assert.ok(performance.now() - startMs < 20_000);
  });
});
