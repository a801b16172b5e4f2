/**
 * The manifests of a folder, or of one file. They are read at once, whenever the kernel tells of a change, and all together from time to time.
 *
 * A manifest that breaks is told in the log. As upstream, the pod that it was before stays until all are read again, and then ends.
 *
 * Source: upstream `pkg/kubelet/config/file.go`, `file_linux.go`.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { ManifestFiles } from '#agent/host/manifest-files.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import { sleep } from '#client/clock.ts';
import { maxManifestBytes, type PodManifests } from './pod-manifests.ts';
import { asStaticPod } from './static-pod.ts';

/** What {@link FileSource} works with. */
export interface FileSourceDeps {
  files: ManifestFiles;
  manifests: PodManifests;
  clock: Clock;
  log: Logger;
  /** Told of all pods whenever one of them may have changed. */
  found(pods: readonly Pod[]): void;
}

const firstWatchRetryMs = 1_000;
const lastWatchRetryMs = 20_000;

/** Reads manifests until it is told to stop. */
export class FileSource {
  readonly #deps: FileSourceDeps;
  readonly #path: string;
  readonly #nodeName: string;
  readonly #everyMs: number;
  /** By file. */
  readonly #pods = new Map<string, Pod>();
  /** One file is read at a time, in the order in which they changed. */
  #last: Promise<void> = Promise.resolve();

  /** @param everyMs how often all of them are read again (`fileCheckFrequency`) */
  constructor(deps: FileSourceDeps, { path, nodeName, everyMs }: { path: string; nodeName: string; everyMs: number }) {
    this.#deps = deps;
    this.#path = path.replace(/(?<=.)\/+$/, '');
    this.#nodeName = nodeName;
    this.#everyMs = everyMs;
  }

  /** Settles when `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const watching = this.#watch(signal);
    while (!signal.aborted) {
      await this.#inTurn(() => this.#list());
      await sleep(this.#deps.clock, this.#everyMs, signal);
    }
    await watching;
    await this.#last;
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { files, clock, log } = this.#deps;
    let retryMs = firstWatchRetryMs;
    while (!signal.aborted) {
      try {
        if ((await files.kindOf(this.#path)) !== undefined) {
          const watching = files.watch(this.#path, (name) => void this.#inTurn(() => this.#changed(name)), signal);
          // What changed before the watch began is in no event.
          await this.#inTurn(() => this.#list());
          await watching;
          if (!signal.aborted) await this.#inTurn(() => this.#list());
          retryMs = firstWatchRetryMs;
        }
      } catch (error) {
        if (!signal.aborted) log.error({ err: error, path: this.#path }, 'Unable to read config path');
        retryMs = Math.min(retryMs * 2, lastWatchRetryMs);
      }
      await sleep(clock, retryMs, signal);
    }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(work).catch((error: unknown) => {
      this.#deps.log.error({ err: error, path: this.#path }, 'Unable to read config path');
    });
    return this.#last;
  }

  async #list(): Promise<void> {
    const { files, log } = this.#deps;
    const kind = await files.kindOf(this.#path);
    if (kind === 'other') throw new Error('path is not a directory or file');
    if (kind === undefined) log.error({ path: this.#path }, 'Unable to read config path: path does not exist, ignoring');
    const pods = new Map<string, Pod>();
    if (kind === 'file') pods.set(this.#path, await this.#read(this.#path));
    if (kind === 'folder') {
      for (const file of (await files.names(this.#path)).filter(isManifest).map((name) => join(this.#path, name))) {
        const pod = await this.#readInFolder(file);
        if (pod !== undefined) pods.set(file, pod);
      }
    }
    this.#pods.clear();
    for (const [file, pod] of pods) this.#pods.set(file, pod);
    this.#tell();
  }

  async #readInFolder(file: string): Promise<Pod | undefined> {
    const { files, log } = this.#deps;
    try {
      const kind = await files.kindOf(file);
      if (kind === 'file') return await this.#read(file);
      if (kind === 'folder') log.error({ path: file }, 'Provided manifest path is a directory, not recursing into manifest path');
      if (kind === 'other') log.error({ path: file }, 'Manifest path is not a directory or file');
    } catch (error) {
      log.error({ err: error, path: file }, 'Could not process manifest file');
    }
    return undefined;
  }

  async #changed(name: string): Promise<void> {
    if (!isManifest(name)) return;
    const { files, log } = this.#deps;
    const isOne = (await files.kindOf(this.#path)) === 'file';
    const file = isOne ? this.#path : join(this.#path, name);
    const kind = await files.kindOf(file);
    if (kind === undefined) {
      if (this.#pods.delete(file)) this.#tell();
      return;
    }
    if (kind !== 'file') return;
    try {
      this.#pods.set(file, await this.#read(file));
      this.#tell();
    } catch (error) {
      log.error({ err: error, path: file }, `can't process config file ${JSON.stringify(file)}`);
    }
  }

  async #read(file: string): Promise<Pod> {
    const { files, manifests } = this.#deps;
    const bytes = await files.read(file, maxManifestBytes);
    return manifests.read(bytes, file, (pod) => asStaticPod(pod, { source: 'file', location: file, nodeName: this.#nodeName }));
  }

  #tell(): void {
    this.#deps.found([...this.#pods.values()]);
  }
}

const isManifest = (name: string): boolean => !name.startsWith('.');
