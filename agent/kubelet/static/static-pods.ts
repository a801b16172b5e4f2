/**
 * Static pods: their manifests lie on the node, and they run whether there is an API server or not. In the API each has an image, the mirror pod,
 * which shows its status; to change or delete that changes nothing on the node.
 *
 * A pod of a changed manifest starts when the one before it, of the same name, has ended.
 *
 * Source: upstream `pkg/kubelet/pod_workers.go` (static pods by full name), `pkg/kubelet/kubelet.go` (tryReconcileMirrorPods,
 * HandlePodCleanups), `pkg/kubelet/pod/pod_manager.go`.
 */
import type { Logger } from 'pino';
import { keyOf } from '#api/meta.ts';
import type { Pod } from '#api/types.generated.ts';
import { type PodSink, podProblem } from '../pod/pod-source.ts';
import { type ManifestSource, seenAnnotation } from './static-pod.ts';

/** What {@link StaticPods} works with. */
export interface StaticPodsDeps {
  sink: Pick<PodSink, 'changed' | 'gone'>;
  /** Told when the pods that run, or ought to, are others. */
  changed(): void;
  /** Now, in milliseconds since the epoch. */
  now(): number;
  log: Logger;
}

/** The static pod of one name, from its start until nothing of it is left. */
interface Running {
  pod: Pod;
  /** Its manifest is gone, or another one. */
  isEnding: boolean;
}

/** The static pods of this node. */
export class StaticPods {
  readonly #deps: StaticPodsDeps;
  readonly #found = new Map<ManifestSource, readonly Pod[]>();
  /** By namespace and name. */
  #wanted: ReadonlyMap<string, Pod> = new Map();
  readonly #running = new Map<string, Running>();
  readonly #first = { file: Promise.withResolvers<void>(), http: Promise.withResolvers<void>() };

  constructor(deps: StaticPodsDeps) {
    this.#deps = deps;
  }

  /** All pods that a source has now. */
  found(source: ManifestSource, pods: readonly Pod[]): void {
    this.#found.set(source, pods);
    this.#wanted = this.#merged();
    this.#step();
    this.#first[source].resolve();
  }

  /** Resolves when the source has been read once. */
  first(source: ManifestSource): Promise<void> {
    return this.#first[source].promise;
  }

  /** Nothing is left on the node of the pod with this UID. */
  ended(uid: string): void {
    for (const [key, { pod, isEnding }] of this.#running) {
      if (pod.metadata.uid !== uid || !isEnding) continue;
      this.#running.delete(key);
      this.#step();
      return;
    }
  }

  /** By namespace and name: the pods that run, or end. Undefined: there is none. */
  get(key: string): Readonly<Running> | undefined {
    return this.#running.get(key);
  }

  /** Those that run, without those that end. */
  list(): Pod[] {
    return [...this.#running.values()].filter(({ isEnding }) => !isEnding).map(({ pod }) => pod);
  }

  #merged(): Map<string, Pod> {
    const { log } = this.#deps;
    const wanted = new Map<string, Pod>();
    for (const [source, pods] of this.#found) {
      for (const pod of pods) {
        const [key, why] = [keyOf(pod), podProblem(pod)];
        if (why !== undefined) log.error({ pod: key, source, why }, 'a static pod cannot be taken');
        else if (wanted.has(key)) log.error({ pod: key, source }, 'Pod failed validation due to duplicate pod name, ignoring');
        else wanted.set(key, pod);
      }
    }
    return wanted;
  }

  #step(): void {
    const { sink, changed, now } = this.#deps;
    for (const [key, running] of this.#running) {
      const { uid } = running.pod.metadata;
      if (running.isEnding || this.#wanted.get(key)?.metadata.uid === uid) continue;
      running.isEnding = true;
      sink.gone(uid);
    }
    for (const [key, manifest] of this.#wanted) {
      if (this.#running.has(key)) continue;
      const pod = withSeen(manifest, now());
      this.#running.set(key, { pod, isEnding: false });
      sink.changed(pod);
    }
    changed();
  }
}

const withSeen = (pod: Pod, nowMs: number): Pod => ({
  ...pod,
  metadata: {
    ...pod.metadata,
    annotations: { ...pod.metadata.annotations, [seenAnnotation]: new Date(nowMs).toISOString() },
  },
});
