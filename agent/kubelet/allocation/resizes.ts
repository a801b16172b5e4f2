/**
 * The allocations of this node's pods, and the resizes that it has not granted yet.
 *
 * A pod runs with the resources that were allocated when the node admitted it, even if its spec has changed since. A resize in the spec is
 * granted when the node has room: then the allocation changes, is written to disk, and the pod's worker carries it out. A pending resize is
 * tried again whenever another pod has left, ended or shrunk, and from time to time.
 *
 *     spec changes ─▶ pending (Deferred, Infeasible) ─▶ granted: in progress ─▶ containers have it: done
 *                                                        └─▶ the runtime refuses: in progress (Error), tried again
 *
 * Source: upstream `pkg/kubelet/allocation/allocation_manager.go`, `pkg/kubelet/status/status_manager.go` (conditions); KEP-1287.
 */
import type { Logger } from 'pino';
import { rfc3339, sameJson } from '#api/meta.ts';
import { isTerminalPhase, podCondition } from '#api/pod/conditions.ts';
import { amountOf } from '#api/pod/requests.ts';
import type { Node, Pod, PodCondition, ResourceRequirements } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import { heldBy } from '../admission/admission.ts';
import { podReference } from '../pod/kill-containers.ts';
import type { ObservedContainer } from '../pod/observed.ts';
import type { Checkpoints, PodRecord } from './checkpoints.ts';
import { desiredAllocation, type PodAllocation, withAllocation } from './pod-allocation.ts';
import { resizeMessage } from './resize-messages.ts';
import { byUrgency, resizeProblem } from './resize-order.ts';

/** The dependencies of {@link Resizes}. */
export interface ResizesDeps {
  checkpoints: Checkpoints;
  clock: Clock;
  events: EventRecorder;
  log: Logger;
  /** This node; undefined before it is registered. */
  node(): Node | undefined;
  /** Makes the pod's worker sync again. */
  wake(uid: string): void;
}

interface Entry {
  /** The newest version; undefined before the pod has come from the API. */
  pod: Pod | undefined;
  allocated: PodAllocation;
  actuated: Map<string, { id: string; resources: ResourceRequirements }>;
  pending: PodCondition | undefined;
  inProgress: PodCondition | undefined;
  /** All containers have stopped for good, so the pod is not resized any more. */
  hasEnded: boolean;
  /** The pod is no longer in the API, so the scheduler has given its resources to other pods already. */
  hasLeft: boolean;
  /** The last result of {@link Resizes.allocated}. It saves comparing thousands of containers again. */
  promised?: { pod: Pod; result: Pod } | undefined;
  version: number;
  saved: number;
  saving: Promise<void> | undefined;
}

/** The allocations of all pods of one node. A pod that it does not know counts with the resources of its spec. */
export class Resizes {
  readonly #deps: ResizesDeps;
  /** By UID. */
  readonly #entries = new Map<string, Entry>();

  constructor(deps: ResizesDeps) {
    this.#deps = deps;
  }

  /** Reads the allocations of an earlier kubelet. Call it before the first pod arrives. @throws a system error */
  async load(): Promise<void> {
    for (const [uid, { allocated, actuated }] of await this.#deps.checkpoints.load())
      this.#entries.set(uid, { ...newEntry(undefined, allocated), actuated: new Map(Object.entries(actuated)), saved: 1 });
  }

  /** The pod with its allocated resources. Returns the same object when they equal those of its spec. */
  allocated(pod: Pod): Pod {
    const entry = this.#entries.get(pod.metadata.uid);
    if (entry === undefined) return pod;
    if (entry.promised?.pod !== pod) entry.promised = { pod, result: withAllocation(pod, entry.allocated) };
    return entry.promised.result;
  }

  /** The pod has arrived from the API. If it ran here before, its earlier allocation counts from now on. */
  arrived(pod: Pod): void {
    const entry = this.#entries.get(pod.metadata.uid);
    if (entry !== undefined) entry.pod ??= pod;
  }

  /** The node admits the pod. A pod that ran here before keeps its allocation; a different spec is then a resize. */
  admit(pod: Pod): void {
    const { uid } = pod.metadata;
    const known = this.#entries.get(uid);
    const entry = known ?? newEntry(pod, desiredAllocation(pod));
    this.#entries.set(uid, entry);
    entry.pod = pod;
    entry.pending ??= podCondition(pod, 'PodResizePending');
    entry.inProgress ??= podCondition(pod, 'PodResizeInProgress');
    // `settled` reports a failure later, to the step that needs the record on disk.
    if (known === undefined) void this.#save(uid, entry).catch(() => undefined);
    if (!this.#isPending(entry)) entry.pending = undefined;
    this.retry();
  }

  /** The pod has a newer version. */
  update(pod: Pod): void {
    const entry = this.#entries.get(pod.metadata.uid);
    if (entry === undefined) return;
    const before = entry.pod;
    entry.pod = pod;
    if (!this.#isPending(entry)) entry.pending = undefined;
    else if (!sameJson(pod.spec, before?.spec) && this.#mayGrant()) this.#decide(entry, pod, this.#deps.node() as Node);
    if (before !== undefined && this.#hasFreed(before, pod)) this.retry();
  }

  /** The pod has left the API, and may still run. */
  left(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    entry.hasLeft = true;
    this.retry();
  }

  /** The pod is completely removed from this node. */
  forget(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    this.#entries.delete(uid);
    const written = entry.saving?.catch(() => undefined) ?? Promise.resolve();
    written
      .then(() => this.#deps.checkpoints.remove(uid))
      .catch((error: unknown) => this.#deps.log.warn({ err: error, uid }, 'a record of a pod’s resources stays on disk'));
    this.retry();
  }

  /** Forgets the records of pods that left while no kubelet ran. */
  forgetUnless(isKnown: (uid: string) => boolean): void {
    for (const uid of this.#entries.keys()) if (!isKnown(uid)) this.forget(uid);
  }

  /** Tries all pending resizes, the most urgent first. */
  retry(): void {
    const node = this.#deps.node();
    if (node === undefined || !this.#mayGrant()) return;
    const waiting = this.#entries.values().filter((entry) => this.#isPending(entry));
    const pods = [...waiting].flatMap(({ pod }) => pod ?? []);
    if (pods.length === 0) return;
    const allocated = (pod: Pod): Pod => this.allocated(pod);
    const sinceMs = ({ metadata }: Pod): number => {
      const since = this.#entries.get(metadata.uid)?.pending?.lastTransitionTime;
      return since === undefined ? Number.POSITIVE_INFINITY : Date.parse(since);
    };
    for (const pod of pods.sort(byUrgency(allocated, sinceMs))) {
      const entry = this.#entries.get(pod.metadata.uid);
      if (entry !== undefined) this.#decide(entry, pod, node);
    }
  }

  /**
   * The resources that a running container was last given. Undefined when unknown, for example for a container that an older kubelet
   * started.
   */
  actuated(uid: string, { name, status, labels }: ObservedContainer): ResourceRequirements | undefined {
    const given = this.#entries.get(uid)?.actuated.get(name);
    return given?.id === status.id ? given.resources : labels.resources;
  }

  /** Records that a running container's resources were changed. */
  record(uid: string, name: string, id: string, resources: ResourceRequirements): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    entry.actuated.set(name, { id, resources });
    entry.version++;
  }

  /** Settles when the pod's allocation and the resources of its containers are on disk. @throws a system error */
  async settled(uid: string): Promise<void> {
    const entry = this.#entries.get(uid);
    if (entry !== undefined) await this.#save(uid, entry);
  }

  /** The pod's conditions `PodResizePending` and `PodResizeInProgress`, if they apply. */
  conditions(uid: string): PodCondition[] {
    const entry = this.#entries.get(uid);
    return [entry?.pending, entry?.inProgress].filter((one) => one !== undefined);
  }

  /** Takes the result of an observation of the pod's containers. */
  observed(pod: Pod, isInProgress: boolean): void {
    const entry = this.#entries.get(pod.metadata.uid);
    if (entry === undefined) return;
    if (isInProgress) {
      entry.inProgress ??= this.#condition('PodResizeInProgress', undefined, '', '', pod);
      return;
    }
    const done = entry.inProgress;
    entry.inProgress = undefined;
    if (done === undefined) return;
    const generation = done.observedGeneration ?? pod.metadata.generation;
    this.#event(pod, 'Normal', 'ResizeCompleted', resizeMessage('Pod resize completed', pod, generation));
  }

  /** The resize could not be carried out; it will be tried again. */
  failed(pod: Pod, message: string): void {
    const entry = this.#entries.get(pod.metadata.uid);
    if (entry === undefined) return;
    const before = entry.inProgress;
    const next = this.#condition('PodResizeInProgress', before, 'Error', message, pod);
    entry.inProgress = before === undefined ? next : { ...next, observedGeneration: before.observedGeneration };
    if (before?.reason === 'Error' && before.message === message) return;
    const generation = entry.inProgress.observedGeneration;
    this.#event(pod, 'Warning', 'ResizeError', resizeMessage('Pod resize error', pod, generation, message));
  }

  /** The pod has ended and is not resized any more. */
  ended(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    entry.hasEnded = true;
    entry.pending = undefined;
    entry.inProgress = undefined;
    this.retry();
  }

  #isPending({ pod, hasEnded, hasLeft }: Entry): boolean {
    if (pod === undefined || hasEnded || hasLeft || isTerminalPhase(pod.status?.phase)) return false;
    return this.allocated(pod) !== pod;
  }

  /** After a restart, no resize is granted before all pods have arrived again, because their allocations must be counted. */
  #mayGrant(): boolean {
    return this.#deps.node() !== undefined && this.#entries.values().every(({ pod }) => pod !== undefined);
  }

  /** Whether the pod uses less than before, so that a pending resize may fit now. */
  #hasFreed(before: Pod, pod: Pod): boolean {
    if (isTerminalPhase(pod.status?.phase)) return !isTerminalPhase(before.status?.phase);
    if (sameJson(before.status?.containerStatuses, pod.status?.containerStatuses) && sameJson(before.spec, pod.spec))
      return false;
    const [held, now] = [heldBy(this.allocated(before)), heldBy(this.allocated(pod))];
    return ['cpu', 'memory'].some((name) => amountOf(now, name) < amountOf(held, name));
  }

  #decide(entry: Entry, pod: Pod, node: Node): void {
    const { uid, generation } = pod.metadata;
    const holding = this.#entries.values().filter((one) => one !== entry && !one.hasLeft);
    const others = [...holding].flatMap((one) => (one.pod === undefined ? [] : [this.allocated(one.pod)]));
    const problem = resizeProblem(pod, others, node);
    if (problem === undefined) {
      entry.allocated = desiredAllocation(pod);
      entry.promised = undefined;
      entry.version++;
      entry.pending = undefined;
      entry.inProgress = this.#condition('PodResizeInProgress', undefined, '', '', pod);
      this.#event(pod, 'Normal', 'ResizeStarted', resizeMessage('Pod resize started', pod, generation));
      this.#deps.wake(uid);
      return;
    }
    const { reason, message } = problem;
    const before = entry.pending;
    entry.pending = this.#condition('PodResizePending', before, reason, message, pod);
    if (before?.reason !== reason || before.observedGeneration !== generation)
      this.#event(pod, 'Warning', `Resize${reason}`, resizeMessage(`Pod resize ${reason}`, pod, generation, message));
    if (before?.reason !== reason || before.message !== message || before.observedGeneration !== generation) this.#deps.wake(uid);
  }

  #condition(type: string, before: PodCondition | undefined, reason: string, message: string, { metadata }: Pod): PodCondition {
    const now = rfc3339(this.#deps.clock.now());
    return {
      type,
      status: 'True',
      lastProbeTime: now,
      lastTransitionTime: before?.reason === reason ? before.lastTransitionTime : now,
      ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
      ...(reason === '' ? {} : { reason }),
      ...(message === '' ? {} : { message }),
    };
  }

  #event(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#deps.events.event(podReference(pod), type, reason, message);
  }

  /** One write at a time per pod. Changes during a write go into the next write. */
  async #save(uid: string, entry: Entry): Promise<void> {
    while (entry.saving !== undefined) await entry.saving.catch(() => undefined);
    if (entry.saved === entry.version || this.#entries.get(uid) !== entry) return;
    const { version } = entry;
    const record: PodRecord = { allocated: entry.allocated, actuated: Object.fromEntries(entry.actuated) };
    entry.saving = this.#deps.checkpoints.save(uid, record);
    try {
      await entry.saving;
      entry.saved = version;
    } finally {
      entry.saving = undefined;
    }
  }
}

const newEntry = (pod: Pod | undefined, allocated: PodAllocation): Entry => ({
  pod,
  allocated,
  actuated: new Map(),
  pending: undefined,
  inProgress: undefined,
  hasEnded: false,
  hasLeft: false,
  version: 1,
  saved: 0,
  saving: undefined,
});
