/**
 * A hollow kubelet: a node whose containers are entries of a table. It uses the API as the real kubelet does: it registers the node, sends
 * heartbeats, runs the pods bound to it, reports their status, and removes a deleted pod only after its containers have ended. The table is
 * what really runs, whatever the API says: on a partitioned node, containers continue.
 */

import { pino } from 'pino';
import { controllerOf, type KubeObject, keyOf, rfc3339, rfc3339Micro } from '#api/meta.ts';
import { isNodeReady } from '#api/node-conditions.ts';
import { hostnameLabel } from '#api/node-labels.ts';
import { isPodReady, isPodTerminal } from '#api/pod/conditions.ts';
import { isAlreadyExists, isConflict, isNotFound } from '#api/status.ts';
import type { Lease, Pod, PodStatus } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { sleep } from '#client/clock.ts';
import { createInformers } from '#client/informers.ts';
import type { VirtualTime } from '#client/virtual-time.ts';
import type { ControlPlane } from './control-plane.ts';
import { type Process, startProcess } from './process.ts';
import type { Random } from './random.ts';
import type { Trace } from './trace.ts';

/** The dependencies of a hollow kubelet. */
export interface KubeletDeps {
  time: VirtualTime;
  random: Random;
  plane: Pick<ControlPlane, 'client'>;
  trace: Trace;
}

/** Capacity and labels of a node. */
export interface NodeShape {
  cpu: string;
  pods: string;
  labels: Record<string, string>;
}

/** The initial nodes of every world. */
export const nodeNames = ['n1', 'n2', 'n3'];

/** The shape of the node with this name. */
export const nodeShape = (name: string): NodeShape => ({ cpu: '2', pods: '12', labels: { 'sim/net': name.slice(1) } });

/** Pod annotations that control the simulated behaviour. */
export const behaviour = {
  /** Seconds after which the containers end by themselves. Absent: never. */
  runsSeconds: 'sim/runs-seconds',
  /** How many of ten pods fail instead of succeeding. Default 0. */
  failsOfTen: 'sim/fails-of-ten',
  /** Seconds until it is ready. Default 1. */
  readySeconds: 'sim/ready-seconds',
} as const;

interface Running {
  key: string;
  startedMs: number;
  state: 'running' | 'stopping' | 'ended';
  /** Whether the pod belongs to a StatefulSet. */
  isStateful: boolean;
  exitCode?: number;
}

const heartbeatMs = 10_000;
const retryMs = 1_500;
/** After this time without a successful heartbeat, the node registers again. */
const registerAgainMs = 15_000;

/** A node that may die and come back. */
export class HollowKubelet {
  readonly name: string;
  /** What runs on the node, by pod UID. */
  readonly containers = new Map<string, Running>();
  readonly #deps: KubeletDeps;
  readonly #shape: NodeShape;
  #process: Process | undefined;
  #nextAddress = 1;
  #lease: Lease | undefined;

  constructor(name: string, shape: NodeShape, deps: KubeletDeps) {
    this.name = name;
    this.#shape = shape;
    this.#deps = deps;
  }

  get isAlive(): boolean {
    return this.#process !== undefined;
  }

  /** The name under which the network knows it. */
  get endpoint(): string {
    return `kubelet/${this.name}`;
  }

  start(): void {
    if (this.#process !== undefined) return;
    this.#deps.trace.note(`start ${this.endpoint}`);
    const process = startProcess(this.endpoint, this.#deps.time);
    this.#process = process;
    const client = this.#deps.plane.client(
      process,
      { name: `system:node:${this.name}`, groups: ['system:nodes', 'system:authenticated'], extra: {} },
      'kubelet',
    );
    void this.#beat(process, client);
    this.#follow(process, client);
  }

  /** Simulates a power failure: all containers end. */
  die(): void {
    if (this.#process === undefined) return;
    this.#deps.trace.note(`die ${this.endpoint}`);
    this.#process.kill();
    this.#process = undefined;
    this.containers.clear();
  }

  async #beat(process: Process, client: Client): Promise<void> {
    const { clock } = process;
    let lastMs = -Infinity;
    while (process.isAlive) {
      try {
        // After failed heartbeats the node lifecycle controller may have marked the node not ready, so register again.
        if (clock.monotonic() - lastMs > registerAgainMs) await this.#register(client);
        await this.#renew(client, clock.now());
        lastMs = clock.monotonic();
        await sleep(clock, heartbeatMs);
      } catch {
        // The API server does not answer, so retry soon.
        await sleep(clock, retryMs);
      }
    }
  }

  async #register(client: Client): Promise<void> {
    const nodes = client.resource('nodes');
    const { cpu, pods, labels } = this.#shape;
    const resources = { cpu, pods, memory: '8Gi', 'ephemeral-storage': '10Gi' };
    let node = await nodes.get({ name: this.name }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    node ??= await nodes.create({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: this.name, labels: { [hostnameLabel]: this.name, ...labels } },
      spec: {},
      status: { capacity: resources, allocatable: resources },
    });
    if (isNodeReady(node)) return;
    const at = rfc3339(this.#deps.time.now());
    const times = { lastHeartbeatTime: at, lastTransitionTime: at };
    const conditions = [
      { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status', ...times },
      ...['MemoryPressure', 'DiskPressure', 'PIDPressure'].map((type) => ({
        type,
        status: 'False',
        reason: 'KubeletHasSufficient',
        message: 'kubelet has sufficient resources',
        ...times,
      })),
    ];
    const status = { conditions, capacity: resources, allocatable: resources };
    await nodes.patch({ name: this.name }, { type: 'strategic', body: { status } }, { subresource: 'status' });
  }

  async #renew(client: Client, nowMs: number): Promise<void> {
    const leases = client.resource('leases.coordination.k8s.io');
    const metadata = { name: this.name, namespace: 'kube-node-lease' };
    const spec = { holderIdentity: this.name, leaseDurationSeconds: 40, renewTime: rfc3339Micro(nowMs) };
    try {
      this.#lease =
        this.#lease === undefined
          ? await leases.create({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec })
          : await leases.update({ ...this.#lease, spec });
    } catch (error) {
      if (isAlreadyExists(error) || isConflict(error)) this.#lease = await leases.get(metadata);
      else if (isNotFound(error)) this.#lease = undefined;
      throw error;
    }
  }

  #follow(process: Process, client: Client): void {
    const { clock } = process;
    const informers = createInformers(
      { client, clock, log: pino({ level: 'silent' }), random: this.#deps.random.next },
      { pods: { fieldSelector: `spec.nodeName=${this.name}` } },
    );
    const pods = informers.informer('pods');
    /** The pods at work, and whether they have changed since. */
    const workers = new Map<string, { hasChanged: boolean }>();
    const look = (pod: KubeObject): void => {
      const { uid } = pod.metadata;
      const busy = workers.get(uid);
      if (busy !== undefined) {
        busy.hasChanged = true;
        return;
      }
      const worker = { hasChanged: false };
      workers.set(uid, worker);
      const current = (): Pod | undefined => {
        const now = pods.cache.get(keyOf(pod));
        return now?.metadata.uid === uid ? now : undefined;
      };
      void this.#work(process, client, uid, current).then(() => {
        workers.delete(uid);
        if (worker.hasChanged) look(pod);
      });
    };
    pods.subscribe({ added: look, updated: look, deleted: look });
    informers.run(process.signal).catch((error: unknown) => this.#deps.trace.note(`${this.endpoint} failed: ${String(error)}`));
  }

  /** The life of one pod on this node. `current` gives its newest known state, undefined once it is gone. */
  async #work(process: Process, client: Client, uid: string, current: () => Pod | undefined): Promise<void> {
    for (let pod = current(); process.isAlive && pod !== undefined; pod = current()) {
      try {
        const waitMs = await this.#sync(client, pod);
        if (waitMs === undefined) return;
        await sleep(process.clock, waitMs);
      } catch (error) {
        if (!isConflict(error) && !isNotFound(error)) await sleep(process.clock, retryMs);
        else await sleep(process.clock, 20);
      }
    }
    // The pod was force-deleted. Stop its containers now.
    if (process.isAlive && this.containers.has(uid)) {
      await sleep(process.clock, this.#deps.random.between(10, 1000));
      if (process.isAlive) this.containers.delete(uid);
    }
  }

  /** One sync of a pod. @returns the time until the next sync; undefined: after the next change */
  async #sync(client: Client, pod: Pod): Promise<number | undefined> {
    const { uid } = pod.metadata;
    const { random, time } = this.#deps;
    const known = this.containers.get(uid);
    if (pod.metadata.deletionTimestamp !== undefined) return await this.#terminate(client, pod, known);
    if (isPodTerminal(pod)) {
      this.containers.delete(uid);
      return undefined;
    }
    if (known === undefined) {
      // After a restart of the machine a pod that may not restart has failed.
      if (pod.status?.phase === 'Running' && pod.spec.restartPolicy === 'Never') {
        await this.#report(client, pod, ended(pod, 137, time.now()));
        return undefined;
      }
      this.containers.set(uid, {
        key: keyOf(pod),
        startedMs: time.monotonic(),
        state: 'running',
        isStateful: controllerOf(pod)?.kind === 'StatefulSet',
      });
      return random.between(5, 300);
    }
    return await this.#run(client, pod, known);
  }

  async #run(client: Client, pod: Pod, container: Running): Promise<number | undefined> {
    const { time } = this.#deps;
    const annotations = pod.metadata.annotations ?? {};
    const ranMs = time.monotonic() - container.startedMs;
    const lastsMs =
      annotations[behaviour.runsSeconds] === undefined ? Infinity : Number(annotations[behaviour.runsSeconds]) * 1000;
    if (ranMs >= lastsMs) {
      container.state = 'ended';
      container.exitCode ??= this.#deps.random.between(1, 10) <= Number(annotations[behaviour.failsOfTen] ?? '0') ? 1 : 0;
      await this.#report(client, pod, ended(pod, container.exitCode, time.now()));
      return undefined;
    }
    const readyMs = Number(annotations[behaviour.readySeconds] ?? '1') * 1000;
    const isReady = ranMs >= readyMs;
    const shown = isPodReady(pod);
    if (pod.status?.phase !== 'Running' || shown !== isReady) await this.#report(client, pod, this.#running(pod, isReady));
    const next = Math.min(isReady ? Infinity : readyMs - ranMs, lastsMs - ranMs);
    return Number.isFinite(next) ? Math.max(1, next) : undefined;
  }

  #running(pod: Pod, isReady: boolean): PodStatus {
    const at = rfc3339(this.#deps.time.now());
    const podIP = pod.status?.podIP ?? `10.${this.#shape.labels['sim/net'] ?? '9'}.0.${this.#nextAddress++ % 250}`;
    const status = isReady ? 'True' : 'False';
    return {
      phase: 'Running',
      podIP,
      podIPs: [{ ip: podIP }],
      startTime: pod.status?.startTime ?? at,
      conditions: ['Ready', 'ContainersReady'].map((type) => ({ type, status, lastTransitionTime: at })),
      containerStatuses: pod.spec.containers.map(({ name, image = '' }) => ({
        name,
        image,
        imageID: '',
        ready: isReady,
        restartCount: 0,
        state: { running: { startedAt: at } },
      })),
    };
  }

  /** Stops the containers, reports that they have ended, and only then deletes the object. */
  async #terminate(client: Client, pod: Pod, container: Running | undefined): Promise<number | undefined> {
    const { random, time } = this.#deps;
    if (container?.state === 'running') {
      container.state = 'stopping';
      return random.between(20, 2000);
    }
    if (!isPodTerminal(pod)) {
      if (container !== undefined) container.state = 'ended';
      // A container that was stopped before it finished has failed.
      await this.#report(client, pod, ended(pod, container?.exitCode ?? 143, time.now()));
      this.containers.delete(pod.metadata.uid);
    }
    this.containers.delete(pod.metadata.uid);
    await client
      .resource('pods')
      .delete(pod.metadata, { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } })
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    // Finalizers may keep the pod. Their removal is a change, which triggers the next sync.
    return undefined;
  }

  async #report(client: Client, pod: Pod, status: PodStatus): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    const body = { metadata: { uid }, status };
    await client
      .resource('pods')
      .patch({ namespace, name }, { type: 'strategic', body: body as never }, { subresource: 'status' });
  }
}

function ended(pod: Pod, exitCode: number, nowMs: number): PodStatus {
  const at = rfc3339(nowMs);
  return {
    phase: exitCode === 0 ? 'Succeeded' : 'Failed',
    conditions: ['Ready', 'ContainersReady'].map((type) => ({
      type,
      status: 'False',
      reason: exitCode === 0 ? 'PodCompleted' : 'PodFailed',
      lastTransitionTime: at,
    })),
    containerStatuses: pod.spec.containers.map(({ name, image = '' }) => ({
      name,
      image,
      imageID: '',
      ready: false,
      restartCount: 0,
      state: { terminated: { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error', startedAt: at, finishedAt: at } },
    })),
  };
}
