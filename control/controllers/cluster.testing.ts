/**
 * For tests only: runs all controllers against the real API server in one process, on a clock that the test moves. {@link
 * World.tick} plays the scheduler and the kubelets: it binds pods, lets them run, and removes deleted ones at once. Nodes send
 * heartbeats while they are connected.
 */

import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { rfc3339, rfc3339Micro } from '#api/meta.ts';
import { isPodTerminal } from '#api/pod/conditions.ts';
import { requiredNodeAffinity } from '#api/pod/node-selector.ts';
import { schedulingEffects, untoleratedTaint } from '#api/pod/tolerations.ts';
import { readDescriptions } from '#api/schema/descriptions.ts';
import { createOpenApi } from '#api/schema/openapi.ts';
import { isConflict, isNotFound } from '#api/status.ts';
import { localPathAccount } from '#api/storage/local-path.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { FakeClock } from '#client/clock.ts';
import { frozenClient } from '#client/frozen-client.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import { createClient } from '#client/rest-client.ts';
import type { Transport } from '#client/transport.ts';
import { Aggregation } from '#control/apiserver/aggregation/aggregation.ts';
import type { TestServer } from '#control/apiserver/api-server.testing.ts';
import { startTestServer } from '#control/apiserver/api-server.testing.ts';
import type { ApiServer } from '#control/apiserver/api-server.ts';
import { componentUser, controllerUser } from '#control/apiserver/authentication/component-users.ts';
import { bootstrapRoles } from '#control/apiserver/authorization/rbac/bootstrap-roles.ts';
import { controllerRoles } from '#control/apiserver/authorization/rbac/policy/controller-roles.ts';
import { defaultPolicy } from '#control/apiserver/authorization/rbac/policy/default-policy.ts';
import { namespaceRoles } from '#control/apiserver/authorization/rbac/policy/namespace-roles.ts';
import type { KindCatalog } from '#control/apiserver/catalog.ts';
import { openApiRoute } from '#control/apiserver/discovery/openapi-route.ts';
import { inProcessTransport } from '#control/apiserver/in-process-transport.ts';
import type { UserInfo } from '#control/apiserver/registry/strategy.ts';
import { silentLog } from '#control/apiserver/serving/server-log.ts';
import type { ControllerOptions } from './index.ts';
import { runControllers } from './index.ts';

const models = fileURLToPath(new URL('../../node_modules/@kubernetes/client-node/dist/gen/models', import.meta.url));

/** The behaviour of a played pod. Default: it becomes ready. An exit code: all of its containers end with it. */
export type PodPlay = (pod: Pod) => 'ready' | 'running' | 'pending' | { exitCode: number };

export interface World {
  server: ApiServer;
  client: Client;
  clock: FakeClock;
  /** Nodes whose kubelet is connected. */
  connected: Set<string>;
  play: PodPlay;
  /** Adds a connected node. */
  addNode(name: string, labels?: Record<string, string>): Promise<void>;
  /** Runs one round of the scheduler and the kubelets. */
  tick(): Promise<void>;
  /** Waits until all open requests are answered and no new ones follow. */
  rest(): Promise<void>;
  /** Advances the clock second by second, with a round of the kubelets at each. */
  pass(seconds: number): Promise<void>;
  /** Advances the clock until `check` returns a value. @throws Error after `maxSeconds` of the fake clock */
  until<T>(what: string, check: () => Promise<T | undefined | false>, maxSeconds?: number): Promise<T>;
  stop(): Promise<void>;
}

export async function startWorld(options: ControllerOptions = {}): Promise<World> {
  const clock = new FakeClock();
  const namespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];
  const openapi = ({ resources }: KindCatalog) => ({
    openapi: openApiRoute(createOpenApi(resources, 'v1.36.0', () => readDescriptions(models))),
    aggregation: new Aggregation({ identity: { certificate: '', key: '' }, clock, random: () => 0.5 }, silentLog),
  });
  const server = await startTestServer({ clock, namespaces, modes: ['Node', 'RBAC'], deps: openapi });
  await bootstrapRoles(server.client, defaultPolicy(), clock, silentLog, new AbortController().signal);
  const counted = countRequests();
  const clientOf = (user: UserInfo): Client =>
    frozenClient(
      createClient(counted.over(inProcessTransport(server.server, user)), { userAgent: 'kube-controller-manager/test' }),
    );
  const abort = new AbortController();
  const log = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
  const running = runControllers(
    {
      client: clientOf(componentUser('kube-controller-manager')),
      clientOf: (account) => {
        const isUpstreams =
          controllerRoles[account] !== undefined || namespaceRoles[`kube-system/system:controller:${account}`] !== undefined;
        if (!isUpstreams && account !== localPathAccount) throw new Error(`upstream has no controller "${account}"`);
        return clientOf(controllerUser(account));
      },
      catalog: server.server.resources,
      clock,
      log,
      leftOut: createLeftOutReporter({ events: { event: () => undefined }, log }),
      random: () => 0.5,
    },
    {
      issueServiceAccountToken: async ({ metadata: account }, { metadata: secret }) =>
        (await server.server.tokens?.issueForSecret(account, secret)) ?? '',
      ...options,
    },
    abort.signal,
  );
  const world = playedWorld(server, clock, counted);
  world.stop = async () => {
    abort.abort();
    await running;
    await server.stop();
  };
  await world.rest();
  return world;
}

interface Counted {
  over(transport: Transport): Transport;
  /** The number of requests and chunks of watches so far. */
  activity(): number;
  open(): number;
}

function countRequests(): Counted {
  let activity = 0;
  let open = 0;
  return {
    activity: () => activity,
    open: () => open,
    over: (transport) => async (request) => {
      activity += 1;
      const isWatch = request.path.includes('watch=true');
      if (!isWatch) open += 1;
      try {
        const response = await transport(request);
        if (!isWatch) return response;
        const body = (async function* () {
          for await (const chunk of response.body) {
            activity += 1;
            yield chunk;
          }
        })();
        return { ...response, body };
      } finally {
        if (!isWatch) open -= 1;
      }
    },
  };
}

function playedWorld(server: TestServer, clock: FakeClock, counted: Counted): World {
  const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));
  const world: World = {
    server: server.server,
    client: server.client,
    clock,
    connected: new Set(),
    play: () => 'ready',
    async addNode(name, labels = {}) {
      await server.client.resource('nodes').create({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: {} });
      world.connected.add(name);
      await world.tick();
      await world.rest();
    },
    async tick() {
      await heartbeats(world);
      await schedule(world);
      await runPods(world);
    },
    async rest() {
      // Watch events come from the store's thread. A read of the store ends after all earlier events have come. Some turns of the
      // event loop without any activity then show that nothing is on its way.
      for (let quiet = 0, last = -1; quiet < 8; ) {
        await turn();
        await server.store.get('/');
        await clock.advance(0);
        quiet = counted.activity() === last && counted.open() === 0 ? quiet + 1 : 0;
        last = counted.activity();
      }
    },
    async pass(seconds) {
      for (let second = 0; second < seconds; second++) {
        await world.tick();
        await world.rest();
        await clock.advance(1000);
      }
      await world.rest();
    },
    async until(what, check, maxSeconds = 60) {
      for (let second = 0; second <= maxSeconds; second++) {
        await world.rest();
        const value = await check();
        if (value !== undefined && value !== false) return value;
        await world.tick();
        await world.rest();
        const after = await check();
        if (after !== undefined && after !== false) return after;
        await clock.advance(1000);
      }
      throw new Error(`not within ${maxSeconds} s: ${what}`);
    },
    stop: async () => undefined,
  };
  return world;
}

async function heartbeats({ client, clock, connected }: World): Promise<void> {
  for (const name of connected) {
    const leases = client.resource('leases.coordination.k8s.io');
    const spec = { holderIdentity: name, leaseDurationSeconds: 40, renewTime: rfc3339Micro(clock.now()) };
    const metadata = { name, namespace: 'kube-node-lease' };
    try {
      await leases.update({ ...(await leases.get(metadata)), spec });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await leases.create({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec });
    }
    const node = await client.resource('nodes').get({ name });
    if (node.status?.conditions?.find(({ type }) => type === 'Ready')?.status !== 'True')
      await postReady(client, node, clock.now());
  }
}

async function postReady(client: Client, { metadata: { name } }: Node, nowMs: number): Promise<void> {
  const at = { lastHeartbeatTime: rfc3339(nowMs), lastTransitionTime: rfc3339(nowMs) };
  const conditions = [
    { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status', ...at },
    ...['MemoryPressure', 'DiskPressure', 'PIDPressure'].map((type) => ({
      type,
      status: 'False',
      reason: 'KubeletHas',
      message: 'ok',
      ...at,
    })),
  ];
  await client
    .resource('nodes')
    .patch({ name }, { type: 'strategic', body: { status: { conditions } } }, { subresource: 'status' });
}

async function schedule({ client, connected }: World): Promise<void> {
  const nodes = (await client.resource('nodes').list()).items.filter(({ metadata }) => connected.has(metadata.name));
  const pods = (await client.resource('pods').list()).items;
  const waiting = pods.filter(({ spec, metadata }) => (spec.nodeName ?? '') === '' && metadata.deletionTimestamp === undefined);
  const load = new Map(
    nodes.map(({ metadata }) => [metadata.name, pods.filter(({ spec }) => spec.nodeName === metadata.name).length]),
  );
  for (const pod of waiting) {
    const [target] = nodes
      .filter((node) => mayRunOn(pod, node))
      .map(({ metadata }) => metadata.name)
      .sort((a, b) => (load.get(a) ?? 0) - (load.get(b) ?? 0));
    if (target === undefined) continue;
    load.set(target, (load.get(target) ?? 0) + 1);
    const { name, namespace, uid } = pod.metadata;
    try {
      await client.bind({
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name, namespace, uid },
        target: { kind: 'Node', name: target },
      });
    } catch (error) {
      // The pod has been deleted in the meantime.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }
}

const mayRunOn = (pod: Pod, { metadata: { name, labels = {} }, spec }: Node): boolean =>
  requiredNodeAffinity(pod)({ name, labels }) &&
  untoleratedTaint(spec.taints, pod.spec.tolerations, schedulingEffects) === undefined;

let nextAddress = 1;

async function runPods(world: World): Promise<void> {
  const { client, connected, clock } = world;
  for (const pod of (await client.resource('pods').list()).items) {
    if (!connected.has(pod.spec.nodeName ?? '')) continue;
    try {
      if (pod.metadata.deletionTimestamp === undefined) await runPod(world, pod, clock.now());
      else await client.resource('pods').delete(pod.metadata, { gracePeriodSeconds: 0 });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }
}

async function runPod({ client, play }: World, pod: Pod, nowMs: number): Promise<void> {
  if (isPodTerminal(pod)) return;
  const how = play(pod);
  if (typeof how === 'object') {
    await endPod(client, pod, how.exitCode, nowMs);
    return;
  }
  const present = pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  const wanted = how === 'ready' ? 'True' : 'False';
  if (how === 'pending' || (pod.status?.phase === 'Running' && present === wanted)) return;
  const ip = pod.status?.podIP ?? `10.244.0.${nextAddress++}`;
  const conditions = [{ type: 'Ready', status: wanted, lastTransitionTime: rfc3339(nowMs) }];
  const { name, namespace } = pod.metadata;
  await client.resource('pods').patch(
    { namespace, name },
    {
      type: 'strategic',
      body: {
        status: {
          phase: 'Running',
          podIP: ip,
          podIPs: [{ ip }],
          startTime: pod.status?.startTime ?? rfc3339(nowMs),
          conditions,
        },
      },
    },
    { subresource: 'status' },
  );
}

async function endPod(client: Client, { metadata, spec }: Pod, exitCode: number, nowMs: number): Promise<void> {
  const at = rfc3339(nowMs);
  const terminated = { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error', startedAt: at, finishedAt: at };
  const containerStatuses = spec.containers.map(({ name, image = '' }) => ({
    name,
    image,
    imageID: '',
    ready: false,
    restartCount: 0,
    state: { terminated },
  }));
  const conditions = [{ type: 'Ready', status: 'False', reason: 'PodCompleted', lastTransitionTime: at }];
  const phase = exitCode === 0 ? 'Succeeded' : 'Failed';
  const { name, namespace } = metadata;
  const patch = { type: 'strategic' as const, body: { status: { phase, conditions, containerStatuses } } };
  await client.resource('pods').patch({ namespace, name }, patch, { subresource: 'status' });
}
