/** For tests only: the dependencies of pod workers, on a fake clock and an in-memory runtime. The code of the pods is the real one. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import type { CgroupLimits, Cgroups } from '#agent/host/cgroup.ts';
import type { Mounts } from '#agent/host/mount.ts';
import type { Clock } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import { createCheckpoints } from '../allocation/checkpoints.ts';
import { Resizes, type ResizesDeps } from '../allocation/resizes.ts';
import { createBackOff } from '../backoff.ts';
import { createContainerStarter } from '../container/container-starter.ts';
import { createImagePuller } from '../images/image-puller.ts';
import { createLanes } from '../lane.ts';
import { kubeletPaths } from '../paths.ts';
import { createProbeRunner } from '../probes/probe-run.ts';
import { createProbes, type Probes } from '../probes/probes.ts';
import { createPodCgroups } from '../resources/pod-cgroups.ts';
import type { FakeRuntime } from '../runtime.testing.ts';
import type { StatusWriter } from '../status/status-writer.ts';
import { createPathGate } from '../volumes/path-gate.ts';
import { createHookRunner } from './lifecycle.ts';
import type { NetworkGate } from './network-gate.ts';
import { createObserver } from './observe.ts';
import { createPodRuntime } from './pod-runtime.ts';
import type { PodWorkerDeps } from './pod-worker.ts';

export interface PodNodeOptions {
  clock: Clock;
  fake: FakeRuntime;
  /** The node's files; the test removes it. */
  folder: string;
  events: EventRecorder;
  statuses: StatusWriter;
  /** Called with a pod's UID when a probe's result changed. */
  wake: (uid: string) => void;
  /** For resizes: this node. */
  node?: ResizesDeps['node'];
  networkGate?: NetworkGate;
}

/** Control groups that only hold their limits. */
export function cgroupsInMemory(): Cgroups {
  const groups = new Map<string, CgroupLimits>();
  return {
    hierarchy: { version: 1, mountPoints: new Map(), others: [] },
    create: async (path) => void groups.set(path, groups.get(path) ?? { cpuQuotaUs: -1, memoryBytes: -1, cpuShares: 1024 }),
    limit: async (path, limits) => void groups.set(path, { ...groups.get(path), ...limits }),
    limits: async (path) => groups.get(path),
    exists: async (path) => groups.has(path),
    children: async () => [],
    pids: async () => [],
    remove: async (path) => void groups.delete(path),
    usage: async () => undefined,
  };
}

/** A node with two CPUs, a network and nothing to set up for volumes; a test replaces the parts that it examines. */
export function podNode({
  clock,
  fake,
  folder,
  events,
  statuses,
  wake,
  node = () => undefined,
  networkGate,
}: PodNodeOptions): PodWorkerDeps & { probes: Probes; resizes: Resizes } {
  const log = pino({ level: 'silent' });
  const { runtime } = fake;
  const paths = kubeletPaths(join(folder, 'data'), join(folder, 'logs'));
  const random = (): number => 0;
  const probes = createProbes({ runner: createProbeRunner(runtime), clock, random, events, log, changed: wake });
  const lanes = createLanes(clock, 2);
  const starter = createContainerStarter({
    lane: lanes.starts,
    runtime,
    events,
    images: createImagePuller({ runtime, clock, events, serialize: true }),
    objects: { configMap: () => Promise.reject(new Error('no')), secret: () => Promise.reject(new Error('no')) },
    mounts: {} as Mounts,
    gate: createPathGate(clock),
    paths,
    services: () => [],
    machine: { memoryBytes: 2 ** 32, cgroupVersion: 1 },
  });
  const cgroups = createPodCgroups(cgroupsInMemory(), '');
  const machine = { memoryBytes: 2 ** 32, cgroupVersion: 1 } as const;
  const resizes = new Resizes({
    checkpoints: createCheckpoints(paths.dataDir, paths.allocationsDir, log),
    clock,
    events,
    log,
    node,
    wake,
  });
  const podRuntime = createPodRuntime({
    resizes,
    cgroups,
    networkGate,
    machine,
    lanes,
    runtime,
    clock,
    events,
    hooks: createHookRunner(runtime, clock),
    log,
    starter,
    probes,
    crashBackOff: createBackOff(clock, { initialMs: 10_000, maxMs: 300_000 }),
    paths,
    cgroupRoot: '',
    clusterDns: { servers: [], domain: 'cluster.local' },
    writeHostsFile: async () => join(folder, 'etc-hosts'),
    readHostResolvConf: async () => ({ servers: [], searches: [], options: [] }),
  });
  return {
    lane: lanes.releases,
    observer: createObserver(runtime, paths.podsDir),
    runtime: podRuntime,
    probes,
    volumes: {
      setUp: async () => new Map(),
      tearDown: (uid) => rm(paths.podDir(uid), { recursive: true, force: true }),
      tearDownOrphan: async () => undefined,
    },
    cgroups,
    resizes,
    statuses,
    events,
    clock,
    random,
    syncFrequencyMs: 60_000,
    log,
    paths,
    runtimeName: 'fake',
    hostIps: ['192.0.2.1'],
    nodeName: 'n1',
    admit: () => undefined,
    networkProblem: () => undefined,
    allocatable: () => ({}),
    pullSecrets: async () => [],
  };
}

/** Waits until no promise chain and no file access is under way: only then may the clock move. */
export async function rest(): Promise<void> {
  for (let quiet = 0; quiet < 6; quiet++) {
    await new Promise((resolve) => setImmediate(resolve));
    // `CloseReq`: a file handle that is being closed.
    if (process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq') || name === 'CloseReq')) quiet = 0;
  }
}
