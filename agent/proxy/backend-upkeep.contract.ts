/** Tests which rules a {@link Backend} leaves in the kernel, whatever rules were there before. `backend.contract.ts` calls it. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { type Exec, execFile } from '#agent/host/exec.ts';
import { type Backend, RefusedError } from './backend.ts';
import type { BackendUnderTest } from './backend-under-test.testing.ts';
import { endpoint, notReady, service, slice, terminating } from './objects.testing.ts';
import { buildServiceState, type ServiceState } from './state.ts';

/** One service of the generated states. */
interface Shape {
  endpoints: number[];
  kind: keyof typeof specs;
  condition: 'ready' | 'terminating' | 'notReady';
}

const specs = {
  ClusterIP: {},
  NodePort: {},
  Local: { externalTrafficPolicy: 'Local', internalTrafficPolicy: 'Local' },
  LoadBalancer: { type: 'LoadBalancer', loadBalancerSourceRanges: ['203.0.113.0/24'] },
  Sticky: { sessionAffinity: 'ClientIP' },
  StickyLocal: { sessionAffinity: 'ClientIP', externalTrafficPolicy: 'Local' },
  Sctp: {},
};

const shape: fc.Arbitrary<Shape> = fc.record({
  endpoints: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }),
  kind: fc.constantFrom('ClusterIP', 'NodePort', 'Local', 'LoadBalancer', 'Sticky', 'StickyLocal', 'Sctp'),
  condition: fc.constantFrom('ready', 'terminating', 'notReady'),
});
/** Up to four services, of which each may be absent. */
const world = fc.array(fc.option(shape, { nil: undefined }), { minLength: 4, maxLength: 4 });

function stateOf(shapes: readonly (Shape | undefined)[]): ServiceState {
  const present = shapes.flatMap((entry, index) => (entry === undefined ? [] : [{ ...entry, key: `default/s${index}`, index }]));
  const services = present.map(({ kind, key, index }) => {
    const protocol = kind === 'Sctp' ? 'SCTP' : 'TCP';
    const port = { name: 'http', port: 80, protocol, ...(kind === 'ClusterIP' ? {} : { nodePort: 30000 + index }) };
    return service(key, `10.96.0.${10 + index}`, [port], specs[kind], kind === 'LoadBalancer' ? ['198.51.100.1'] : []);
  });
  const endpointSlices = present.map(({ key, endpoints, condition, kind }) => {
    const conditions = { ready: undefined, terminating, notReady }[condition];
    const all = endpoints.map((last) => endpoint(`10.244.0.${last}`, last % 2 === 0 ? 'here' : 'there', conditions));
    return slice(key, [{ name: 'http', port: 8080, protocol: kind === 'Sctp' ? 'SCTP' : 'TCP' }], all);
  });
  return buildServiceState({ services, endpointSlices }, { nodeName: 'here' });
}

const web = (...endpoints: number[]): ServiceState => stateOf([{ endpoints, kind: 'NodePort', condition: 'ready' }]);

export function upkeepContract(under: BackendUnderTest): void {
  describe(`upkeep of rules under ${under.name}`, { timeout: 300_000 }, () => {
    const namespaces = ['stepwise', 'afresh'].map((name) => `tprox-${process.pid}-${name}`);
    const [stepwise, fresh] = namespaces.map(
      (namespace): Exec =>
        (argv, options) =>
          execFile(['ip', 'netns', 'exec', namespace, ...argv], options),
    ) as [Exec, Exec];
    const create = (exec: Exec): Backend => under.create(exec, { family: 'IPv4', clusterCidr: '10.244.0.0/16' });

    /** Dumps the rules after one write into an empty kernel. */
    async function dumpFresh(state: ServiceState, foreign: readonly (readonly string[])[] = []): Promise<string> {
      await fresh(['nft', 'flush', 'ruleset']);
      for (const argv of foreign) await fresh(argv);
      await create(fresh).apply(state);
      return await under.dump(fresh);
    }

    before(async () => {
      for (const namespace of namespaces) await execFile(['ip', 'netns', 'add', namespace]);
    });
    after(async () => {
      for (const namespace of namespaces) await execFile(['ip', 'netns', 'del', namespace]);
    });
    beforeEach(async () => {
      await stepwise(['nft', 'flush', 'ruleset']);
    });

    it('leaves the same rules after updates step by step as after one full write', async () => {
      const backend = create(stepwise);
      let partial = 0;
      await fc.assert(
        fc.asyncProperty(world, async (shapes) => {
          const state = stateOf(shapes);
          if ((await backend.apply(state)).mode === 'partial') partial++;
          assert.equal(await backend.intact(), true);
          assert.equal(await under.dump(stepwise), await dumpFresh(state));
        }),
        { numRuns: 25, seed: 1 },
      );
      assert.ok(partial >= 15, `only ${partial} partial updates`);
    });

    it('gives the same rules when a full write replaces the rules of another run', async () => {
      for (const argv of under.foreign) await stepwise(argv);
      await create(stepwise).apply(stateOf([undefined, { endpoints: [3], kind: 'Local', condition: 'ready' }]));
      const backend = create(stepwise);
      assert.equal((await backend.apply(web(1, 2))).mode, 'full');
      assert.equal(await backend.intact(), true);
      assert.equal(await under.dump(stepwise), await dumpFresh(web(1, 2), under.foreign));
    });

    it('writes nothing when nothing differs, and touches few chains for one endpoint more', async () => {
      const backend = create(stepwise);
      const { chains: all } = await backend.apply(web(1));
      assert.deepEqual(await backend.apply(web(1)), { mode: 'unchanged', chains: 0 });
      const more = await backend.apply(web(1, 2));
      assert.equal(more.mode, 'partial');
      assert.ok(more.chains > 0 && more.chains < all, `${more.chains} of ${all} chains`);
    });

    it('is intact before it has written anything', async () => {
      assert.equal(await create(stepwise).intact(), true);
    });

    it('names the service that the kernel refuses, and leaves the rules as they were', async () => {
      const backend = create(stepwise);
      await backend.apply(web(1));
      const before = await under.dump(stepwise);
      const state = stateOf([0, 1, 2].map(() => ({ endpoints: [1], kind: 'ClusterIP', condition: 'ready' })));
      const ports = state.ports.map((port, index) => (index === 1 ? { ...port, protocol: 'carrierpigeon' } : port));
      await assert.rejects(backend.apply({ ...state, ports }), (error) => {
        assert.ok(error instanceof RefusedError);
        assert.deepEqual(
          error.ports.map(({ id }) => id),
          ['default/s1:http'],
        );
        return true;
      });
      assert.equal(await under.dump(stepwise), before);
      await backend.apply(web(1, 2));
      assert.equal(await under.dump(stepwise), await dumpFresh(web(1, 2)));
    });

    it('removes all its rules and no others, also those of another run, and may be called again', async () => {
      for (const argv of under.foreign) await stepwise(argv);
      const before = await under.dump(stepwise);
      const state = stateOf(
        (['ClusterIP', 'Local', 'LoadBalancer', 'Sticky'] as const).map((kind) => ({
          endpoints: [1, 2],
          kind,
          condition: 'ready',
        })),
      );
      const backend = create(stepwise);
      await backend.apply(state);
      assert.notEqual(await under.dump(stepwise), before);
      await create(stepwise).remove();
      assert.equal(await under.dump(stepwise), before);
      await backend.remove();
      assert.equal(await under.dump(stepwise), before);
      assert.equal((await backend.apply(state)).mode, 'full');
      assert.equal(await backend.intact(), true);
    });
  });
}
