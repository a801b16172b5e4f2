/** For tests only: an in-memory container runtime on the test's clock. A script decides what its containers do. */

import type {
  Container,
  ContainerConfig,
  ContainerRuntime,
  ContainerStatus,
  Image,
  LinuxContainerResources,
  PodSandboxConfig,
  PodSandboxStatus,
} from '#agent/runtime/runtime.ts';
import { RuntimeError } from '#agent/runtime/runtime.ts';
import type { Clock } from '#client/clock.ts';

/** What a container does, by its name. */
export interface Behaviour {
  /** Ends by itself after that time with this status. */
  exitAfterMs?: number;
  exitCode?: number;
  /** How long it takes to end after SIGTERM; Infinity: it waits for SIGKILL. Default 0. */
  stopTakesMs?: number;
}

interface Filter {
  labelSelector?: Readonly<Record<string, string>>;
}

const matches =
  ({ labelSelector = {} }: Filter) =>
  ({ labels }: { labels: Readonly<Record<string, string>> }): boolean =>
    Object.entries(labelSelector).every(([key, value]) => labels[key] === value);

interface FakeContainer {
  config: ContainerConfig;
  sandboxId: string;
  status: ContainerStatus;
}

export class FakeRuntime {
  readonly behaviours = new Map<string, Behaviour>();
  readonly sandboxes = new Map<string, PodSandboxStatus>();
  readonly containers = new Map<string, FakeContainer>();
  /** Images on the node; a pull adds to them unless it is in {@link unpullable}. */
  readonly images = new Set<string>(['busybox:1']);
  readonly unpullable = new Set<string>();
  /** What was asked for, in order: `start c`, `stop c 30`. */
  readonly calls: string[] = [];
  /** Exit codes of execSync by command line. A command without an entry succeeds. */
  readonly execs = new Map<string, number>();
  /** Command lines for which execSync never returns. */
  readonly endlessExecs = new Set<string>();
  /** Why updateContainerResources fails, by the container's name; `hang`: it never ends. */
  readonly updateProblems = new Map<string, string>();
  /** What containers use, by name. */
  readonly usedBytes = new Map<string, number>();
  /** The present resources of containers, by ID. */
  readonly given = new Map<string, LinuxContainerResources>();
  changed: () => void = () => undefined;
  /** How long the node works to make or stop a sandbox. */
  sandboxTakesMs = { run: 0, stop: 0 };
  readonly #clock: Clock;
  #serial = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The newest container of a name. */
  newest(name: string): FakeContainer {
    const found = [...this.containers.values()].filter(({ config }) => config.metadata.name === name).at(-1);
    if (found === undefined) throw new Error(`no container ${name}`);
    return found;
  }

  end(container: FakeContainer, exitCode: number): void {
    if (container.status.state !== 'CONTAINER_RUNNING') return;
    container.status = {
      ...container.status,
      state: 'CONTAINER_EXITED',
      exitCode,
      finishedAtMs: this.#clock.now(),
      reason: exitCode === 0 ? 'Completed' : 'Error',
    };
    this.changed();
  }

  async #work(ms: number): Promise<void> {
    if (ms > 0) await new Promise<void>((resolve) => this.#clock.after(ms, resolve));
  }

  #container(id: string): FakeContainer {
    const found = this.containers.get(id);
    if (found === undefined) throw new RuntimeError('NotFound', 'ContainerStatus', `container "${id}" not found`);
    return found;
  }

  /** The calls of the interface that the kubelet's pods use. Any other call is an error in the test. */
  readonly runtime = {
    runPodSandbox: async (config: PodSandboxConfig) => {
      await this.#work(this.sandboxTakesMs.run);
      const id = `sandbox-${++this.#serial}`;
      this.calls.push(`sandbox ${config.metadata.attempt}`);
      this.sandboxes.set(id, {
        id,
        metadata: config.metadata,
        state: 'SANDBOX_READY',
        createdAtMs: this.#clock.now() + this.#serial / 1000,
        labels: config.labels ?? {},
        annotations: config.annotations ?? {},
        runtimeHandler: '',
        network: { ip: `10.0.0.${this.#serial}`, additionalIps: [] },
        namespaceOptions: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' },
      });
      return id;
    },
    stopPodSandbox: async (id: string) => {
      await this.#work(this.sandboxTakesMs.stop);
      const sandbox = this.sandboxes.get(id);
      if (sandbox !== undefined) this.sandboxes.set(id, { ...sandbox, state: 'SANDBOX_NOTREADY' });
    },
    removePodSandbox: async (id: string) => void this.sandboxes.delete(id),
    podSandboxStatus: async (id: string) => {
      const sandbox = this.sandboxes.get(id);
      if (sandbox === undefined) throw new RuntimeError('NotFound', 'PodSandboxStatus', 'no sandbox');
      return sandbox;
    },
    listPodSandbox: async (filter: Filter = {}) => [...this.sandboxes.values()].filter(matches(filter)),
    createContainer: async (sandboxId: string, config: ContainerConfig) => {
      const id = `${config.metadata.name}-${++this.#serial}`;
      const status: ContainerStatus = {
        id,
        metadata: config.metadata,
        state: 'CONTAINER_CREATED',
        createdAtMs: this.#clock.now() + this.#serial / 1000,
        startedAtMs: 0,
        finishedAtMs: 0,
        exitCode: 0,
        image: config.image,
        imageRef: config.image.image,
        imageId: config.image.image,
        reason: '',
        message: '',
        labels: config.labels ?? {},
        annotations: config.annotations ?? {},
        mounts: [],
        logPath: '',
        stopSignal: '',
      };
      this.containers.set(id, { config, sandboxId, status });
      this.given.set(id, config.linux?.resources ?? {});
      return id;
    },
    startContainer: async (id: string) => {
      const container = this.#container(id);
      const { name } = container.config.metadata;
      this.calls.push(`start ${name}`);
      container.status = { ...container.status, state: 'CONTAINER_RUNNING', startedAtMs: this.#clock.now() };
      const { exitAfterMs, exitCode = 0 } = this.behaviours.get(name) ?? {};
      if (exitAfterMs !== undefined) this.#clock.after(exitAfterMs, () => this.end(container, exitCode));
      this.changed();
    },
    stopContainer: async (id: string, timeoutSeconds: number) => {
      const container = this.containers.get(id);
      if (container === undefined || container.status.state !== 'CONTAINER_RUNNING') return;
      const { name } = container.config.metadata;
      this.calls.push(`stop ${name} ${timeoutSeconds}`);
      const takesMs = this.behaviours.get(name)?.stopTakesMs ?? 0;
      const killed = takesMs > timeoutSeconds * 1000;
      await new Promise<void>((resolve) => this.#clock.after(Math.min(takesMs, timeoutSeconds * 1000), resolve));
      this.end(container, killed ? 137 : 143);
    },
    removeContainer: async (id: string) => void this.containers.delete(id),
    listContainers: async (filter: Filter = {}): Promise<Container[]> =>
      [...this.containers.values()]
        .map(({ status, sandboxId }) => ({
          id: status.id,
          podSandboxId: sandboxId,
          metadata: status.metadata,
          image: status.image,
          imageRef: status.imageRef,
          imageId: status.imageId,
          state: status.state,
          createdAtMs: status.createdAtMs,
          labels: status.labels,
          annotations: status.annotations,
        }))
        .filter(matches(filter)),
    containerStatus: async (id: string) => this.#container(id).status,
    updateContainerResources: async (id: string, resources: LinuxContainerResources) => {
      const { name } = this.#container(id).config.metadata;
      const problem = this.updateProblems.get(name);
      this.calls.push(`update ${name}`);
      if (problem === 'hang') await new Promise(() => undefined);
      if (problem !== undefined) throw new RuntimeError('Unknown', 'UpdateContainerResources', problem);
      this.given.set(id, { ...this.given.get(id), ...resources });
    },
    containerStats: async (id: string) => {
      const { name } = this.#container(id).config.metadata;
      return { memory: { timestampMs: 0, workingSetBytes: 0, usageBytes: this.usedBytes.get(name) ?? 0 } };
    },
    execSync: async (_id: string, command: readonly string[], _timeoutMs: number, signal?: AbortSignal) => {
      this.calls.push(`exec ${command.join(' ')}`);
      if (this.endlessExecs.has(command.join(' '))) {
        await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }));
        throw new RuntimeError('Cancelled', 'ExecSync', 'cancelled');
      }
      return { stdout: Buffer.alloc(0), stderr: Buffer.from('no'), exitCode: this.execs.get(command.join(' ')) ?? 0 };
    },
    imageStatus: async ({ image }: { image: string }): Promise<Image | undefined> =>
      this.images.has(image)
        ? { id: image, repoTags: [image], repoDigests: [], sizeBytes: 7, username: '', pinned: false }
        : undefined,
    pullImage: async ({ image }: { image: string }) => {
      this.calls.push(`pull ${image}`);
      if (this.unpullable.has(image))
        throw new RuntimeError('NotFound', 'PullImage', `failed to resolve reference "${image}": not found`);
      this.images.add(image);
      return image;
    },
  } as unknown as ContainerRuntime;
}
