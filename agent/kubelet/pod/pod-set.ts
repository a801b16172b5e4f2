/**
 * The pods of this node, with one worker each, from a pod's arrival until everything of it is removed. It also knows which pods use
 * resources of the node, because a new pod is admitted only if it fits beside them.
 *
 * Source: upstream `pkg/kubelet/pod_workers.go`, `pkg/kubelet/allocation` (AddPod: admitted pods).
 */
import type { Node, Pod } from '#api/types.generated.ts';
import { admitPod } from '../admission/admission.ts';
import type { Rejection } from '../admission/rejection.ts';
import type { Resizes } from '../allocation/resizes.ts';
import { rejectedStatus } from '../status/pod-status.ts';
import { asksForSync } from './pod-changes.ts';
import type { PodSink } from './pod-source.ts';
import { PodWorker, type PodWorkerDeps } from './pod-worker.ts';

/** The dependencies of {@link PodSet}. */
export interface PodSetDeps extends Omit<PodWorkerDeps, 'admit'> {
  /** This node, with the newest status that its kubelet knows; undefined before it is registered. */
  node(): Node | undefined;
  resizes: Resizes;
  /** Told when nothing is left of a pod, unless the set has ended. */
  ended?(uid: string): void;
}

/** Access to the pods for other parts of the kubelet. */
export interface PodLookup {
  /** All workers, also those of pods that are no longer in the API. */
  workers(): readonly PodWorker[];
  /** The worker of the pod with this name, and with this UID where one is given. */
  find(namespace: string, name: string, uid?: string): PodWorker | undefined;
}

/** The pods that `PodSource` has delivered, each with its worker. */
export class PodSet implements PodSink, PodLookup {
  readonly #deps: PodSetDeps;
  readonly #signal: AbortSignal;
  /** By UID. */
  readonly #workers = new Map<string, PodWorker>();
  /** The newest versions of the admitted pods, by UID. They use resources of the node. */
  readonly #admitted = new Map<string, Pod>();
  readonly #running = new Set<Promise<void>>();

  /** @param signal stops all workers; the pods' containers run on */
  constructor(deps: PodSetDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  workers(): readonly PodWorker[] {
    return [...this.#workers.values()];
  }

  find(namespace: string, name: string, uid?: string): PodWorker | undefined {
    if (uid !== undefined) {
      const worker = this.#workers.get(uid);
      return worker !== undefined && isNamed(worker, namespace, name) ? worker : undefined;
    }
    return this.#workers.values().find((worker) => isNamed(worker, namespace, name));
  }

  /** Whether the pod with this UID has a worker: it is in the API, or not completely removed yet. */
  has(uid: string): boolean {
    return this.#workers.has(uid);
  }

  /** Makes the pod's worker sync because something changed on the node. Ignores a pod without a worker. */
  wake(uid: string): void {
    this.#workers.get(uid)?.wake();
  }

  /** Settles when all workers have ended: call it when the signal has aborted and no pod comes any more. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }

  changed(pod: Pod): void {
    const { uid } = pod.metadata;
    const worker = this.#workers.get(uid);
    if (worker === undefined) {
      this.#start(pod);
      return;
    }
    if (this.#admitted.has(uid)) {
      this.#admitted.set(uid, pod);
      this.#deps.resizes.update(pod);
    }
    worker.update(pod, asksForSync(worker.pod, pod, worker.status));
  }

  /** The scheduler counts the resources of this pod as free from now on, and may give them to the next pod. We must count the same way. */
  gone(uid: string, last?: Pod): void {
    this.#admitted.delete(uid);
    this.#deps.resizes.left(uid);
    this.#workers.get(uid)?.remove(last);
  }

  refused(pod: Pod, why: string): void {
    const { statuses, clock } = this.#deps;
    statuses.set(pod, rejectedStatus(pod, 'InvalidPod', why, clock.now()));
    // The pod never ran here, so a deleted one may leave the API at once.
    if (pod.metadata.deletionTimestamp !== undefined) statuses.finish(pod);
  }

  forgotten(uid: string): void {
    this.#deps.statuses.forget(uid);
  }

  #start(pod: Pod): void {
    const admit = (one: Pod, known: boolean): Rejection | undefined => this.#admit(one, known);
    const worker = new PodWorker({ ...this.#deps, admit }, pod);
    this.#workers.set(worker.uid, worker);
    this.#deps.resizes.arrived(pod);
    const running = worker.run(this.#signal).finally(() => {
      this.#running.delete(running);
      this.#workers.delete(worker.uid);
      this.#admitted.delete(worker.uid);
      // When the kubelet itself stops, the next kubelet continues with the pod and its allocation.
      if (this.#signal.aborted) return;
      this.#deps.resizes.forget(worker.uid);
      this.#deps.ended?.(worker.uid);
    });
    this.#running.add(running);
  }

  #admit(pod: Pod, known: boolean): Rejection | undefined {
    const { resizes } = this.#deps;
    const node = this.#deps.node();
    const others = (): Pod[] => [...this.#admitted.values()].map((other) => resizes.allocated(other));
    const rejection = known || node === undefined ? undefined : admitPod(resizes.allocated(pod), others(), node);
    if (rejection !== undefined) {
      resizes.forget(pod.metadata.uid);
      return rejection;
    }
    this.#admitted.set(pod.metadata.uid, pod);
    resizes.admit(pod);
    return undefined;
  }
}

const isNamed = ({ pod: { metadata } }: PodWorker, namespace: string, name: string): boolean =>
  metadata.namespace === namespace && metadata.name === name;
