/** One version of kubectl, in a namespace of its own, against the API server and the controllers of a test. */
import type { World } from '#control/controllers/cluster.testing.ts';
import type { Background, Kubectl } from '#control/controllers/kubectl.testing.ts';
import { type KubectlVersion, kubectlVersions } from '#lab/kubectl.ts';

/** The shared parts of the test. */
export interface Stage {
  world: World;
  kubectl: Kubectl;
}

/** The words of every command that was run, with the version that ran it: `1.36 rollout undo`. */
export const commandsRun = new Set<string>();

/** kubectl of one version in one namespace. */
export class Session {
  readonly version: KubectlVersion;
  readonly ns: string;
  readonly #stage: () => Stage;

  constructor(version: KubectlVersion, part: string, stage: () => Stage) {
    this.version = version;
    this.ns = `${part}-${version.replace('.', '-')}`;
    this.#stage = stage;
  }

  get world(): World {
    return this.#stage().world;
  }

  /** A folder for files; it is also kubectl's HOME. */
  get folder(): string {
    return this.#stage().kubectl.folder;
  }

  /** Makes the namespace. */
  async open(): Promise<void> {
    await this.run(`create namespace ${this.ns}`);
    await this.world.rest();
  }

  /** Whether this version of kubectl is at least that one. */
  since(version: KubectlVersion): boolean {
    return kubectlVersions.indexOf(this.version) <= kubectlVersions.indexOf(version);
  }

  /** Runs a command in the namespace. Resolves to its output. */
  run(args: string | readonly string[], stdin?: string, env?: Readonly<Record<string, string>>): Promise<string> {
    const words = typeof args === 'string' ? args.split(' ') : args;
    note(this.version, words);
    return this.#stage().kubectl.run(['-n', this.ns, ...words], stdin, { version: this.version, env });
  }

  /** Runs a command without a namespace. */
  plain(args: string | readonly string[], env?: Readonly<Record<string, string>>): Promise<string> {
    const words = typeof args === 'string' ? args.split(' ') : args;
    note(this.version, words);
    return this.#stage().kubectl.run(words, '', { version: this.version, env });
  }

  /** Runs a command that waits for what the cluster does, while it does it. */
  async runMeanwhile(args: string | readonly string[]): Promise<string> {
    let isDone = false;
    const running = this.run(args).finally(() => {
      isDone = true;
    });
    while (!isDone) await this.world.pass(1);
    return running;
  }

  start(args: string): Background {
    const words = args.split(' ');
    note(this.version, words);
    return this.#stage().kubectl.start(['-n', this.ns, ...words], { version: this.version });
  }
}

function note(version: string, words: readonly string[]): void {
  const [command = '', sub = ''] = words;
  commandsRun.add(`${version} ${command}`);
  if (/^[a-z-]+$/.test(sub)) commandsRun.add(`${version} ${command} ${sub}`);
}

/** A ConfigMap as a manifest. */
export const configMap = (name: string, data: unknown, labels: Record<string, string> = {}): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: Object.keys(labels).length === 0 ? { name } : { name, labels },
    data,
  });
