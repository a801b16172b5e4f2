/**
 * The pods of this node: one worker for each, from the pod's arrival until nothing of it is left. Which of them hold a share of the
 * node is counted here, since a pod is admitted only if it fits beside the others.
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

/** What the pods' workers need of their node. */
export interface PodSetDeps extends Omit<PodWorkerDeps, 'admit'> {
  /** This node, with the newest status that its kubelet knows; undefined before it is registered. */
  node(): Node | undefined;
  resizes: Resizes;
}

/** What others may ask of the pods. */
export interface PodLookup {
  /** The workers of all pods that something is left of, also of those that left the API. */
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
  /** By UID: the newest versions of the pods that hold a share of the node. */
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

  /** Whether the pod with this UID has a worker: it is in the API, or something of it is left. */
  has(uid: string): boolean {
    return this.#workers.has(uid);
  }

  /** Something of the pod with this UID has changed on the node. A pod without a worker is left alone. */
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

  /** The scheduler counts what the pod held as free from now on, and may have given it to the pod that comes next: so do we. */
  gone(uid: string, last?: Pod): void {
    this.#admitted.delete(uid);
    this.#deps.resizes.left(uid);
    this.#workers.get(uid)?.remove(last);
  }

  refused(pod: Pod, why: string): void {
    const { statuses, clock } = this.#deps;
    statuses.set(pod, rejectedStatus(pod, 'InvalidPod', why, clock.now()));
    // Nothing of it ever ran here: a deleted one may leave the API at once.
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
      // A kubelet that ends leaves the pod to the next one, with what it was promised.
      if (!this.#signal.aborted) this.#deps.resizes.forget(worker.uid);
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
