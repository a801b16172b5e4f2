/**
 * kube-scheduler: chooses a node for every pod without one.
 *
 * Watches: Pod, Node, Namespace, Service, ReplicaSet, StatefulSet, ReplicationController, PodDisruptionBudget, and the kinds of storage.
 * Writes: pods/binding, pods/status; volumes and claims that get bound; deletes preempted pods.
 * Source: kubernetes.io, "Kubernetes Scheduler", "Pod Priority and Preemption"; KEP-624 (scheduling framework).
 */

import { randomUUID } from 'node:crypto';
import { setImmediate as macrotask } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Metric } from 'prom-client';
import { errorText } from '#api/error-text.ts';
import { keyOf, sameJson } from '#api/meta.ts';
import { isPodTerminal } from '#api/pod/conditions.ts';
import { amountOf } from '#api/pod/requests.ts';
import { BudgetIndex } from '#api/policy/budget-index.ts';
import type { Namespace, Node, Pod } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import type { EventRecorder, FlushingEventRecorder } from '#client/event-recorder.ts';
import type { Informers } from '#client/informers.ts';
import type { LeftOutReporter } from '#client/left-out.ts';
import { chooseNodeAsking, preemptionAsking } from './ask-extenders.ts';
import { SchedulerCache } from './cache.ts';
import { type ClusterEvent, eventLabel, nodeChanges } from './cluster-event.ts';
import type { ExtenderConfiguration } from './config/extenders.ts';
import { defaultProfile, type Profile } from './config/profile.ts';
import { type Choice, chooseNode, type DecisionPhases, type NodeSearch } from './decide.ts';
import { createDecisionLog, type Decision, type Outcome } from './decision-log.ts';
import { afterFilter, type ClaimReservation, reserveClaims } from './devices/claim-binder.ts';
import { DeviceCache } from './devices/device-cache.ts';
import { claimsOfPod } from './devices/device-view.ts';
import { Extender } from './extender.ts';
import { ChangeGuard, nodeProblems, podProblems } from './left-out-parts.ts';
import { fitErrorMessage, noNodesMessage, truncateNote } from './messages.ts';
import { type AttemptResult, SchedulerMetrics } from './metrics.ts';
import { podKey, podPriority } from './node-info.ts';
import { NominationBook } from './nominations.ts';
import { PluginMetrics } from './plugin-metrics.ts';
import { createPodStatusWriter } from './pod-status-writer.ts';
import {
  candidatesToFind,
  chooseCandidate,
  findCandidates,
  type PreemptionInput,
  type PreemptionPlan,
  planPreemption,
} from './preemption.ts';
import { type QueuedPod, type QueueLengths, type QueueOptions, SchedulingQueue } from './queue.ts';
import { podResources } from './resources.ts';
import { type Remedy, smallestChanges } from './smallest-change.ts';
import type { Snapshot } from './snapshot.ts';
import { TemplateMemos } from './template-memo.ts';
import { StorageCache } from './volumes/storage-cache.ts';
import { reserveVolumes, type VolumeBinderDeps, type VolumeReservation } from './volumes/volume-binder.ts';

/** What the scheduler works with. */
export interface SchedulerDeps {
  client: Client;
  /** Informers of all kinds that are watched. */
  informers: Pick<Informers, 'informer'>;
  clock: Clock;
  /** Returns a number in [0, 1), which chooses among equally good nodes. */
  random: () => number;
  log: Logger;
  /** With `room`, the scheduler waits while many events wait to be sent. */
  events: EventRecorder & Partial<Pick<FlushingEventRecorder, 'room'>>;
  /** Is told of pods and nodes that cannot be used. */
  leftOut: LeftOutReporter;
}

/** Configuration of the scheduler. */
export interface SchedulerOptions {
  /** How it schedules pods, by their `schedulerName`. Default: one profile, `default-scheduler`, with upstream's plugins. */
  profiles?: readonly Profile[];
  /** Of profiles that say nothing else; 0: fewer for larger clusters. Default 0. */
  percentageOfNodesToScore?: number;
  queue?: QueueOptions;
  /** Services that have a say, in the order in which they are asked. */
  extenders?: readonly ExtenderConfiguration[];
  /** Makes IDs of shares of devices. Default: random. */
  newId?: () => string;
  /** How many decisions {@link Scheduler.decisions} keeps. Default 1000. */
  rememberedDecisions?: number;
}

/** A scheduler that {@link createScheduler} has made. */
export interface Scheduler {
  /** Schedules until `signal` aborts, and settles once all bindings have ended. Call it only once. */
  run(signal: AbortSignal): Promise<void>;
  /** The last decisions, oldest first. With `namespace/name`, only those of one pod. */
  decisions(key?: string): Decision[];
  queueLengths(): QueueLengths;
  /** With upstream's names, for the registry under which they are served. */
  readonly metrics: readonly Metric[];
  /** What is known of a pod (`namespace/name`): its last decisions and, while it waits, what would let it run. */
  explain(key: string): Explanation;
}

/** Why a pod is where it is. */
export interface Explanation {
  decisions: Decision[];
  /** Where the pod waits in the queue; absent: it does not wait. */
  waits?: keyof QueueLengths;
  /** The smallest changes that would let a waiting pod run. */
  remedies: Remedy[];
}

/** Limit of bindings and status writes in progress. */
const maxTasks = 100;
/** After this number of decisions in a row, or this time, the event loop handles replies from the server. */
const decisionsPerTurn = 32;
const turnMs = 5;
/** The message of the dynamic-resources plugin when a plugin refused all nodes before it was asked. Upstream then tries nothing else either. */
const notPrepared = 'not found';

/** Makes a scheduler. It starts with `run`. */
export function createScheduler(deps: SchedulerDeps, options: SchedulerOptions = {}): Scheduler {
  const { client, informers, clock, random, log, events } = deps;
  const plugins = new PluginMetrics(() => clock.monotonic());
  const profiles = new Map(
    (options.profiles ?? [defaultProfile()]).map((profile) => [profile.schedulerName, plugins.watched(profile)]),
  );
  const metrics = new SchedulerMetrics({
    lengths: () => queue.lengths(),
    rejections: () => queue.rejections(),
    keptEvents: () => queue.keptEvents(),
    cacheSizes: () => cache.sizes(),
    bindings: () => cache.sizes().assumed_pods,
  });
  const queue = new SchedulingQueue(clock, options.queue, (part, event) => metrics.came(part, event));
  const nominations = new NominationBook();
  const decisions = createDecisionLog({ decisions: options.rememberedDecisions ?? 1000 });
  const status = createPodStatusWriter(client, clock);
  const tasks = new Set<Promise<void>>();
  /** Not limited: a provisioner may take minutes for the volumes of many pods, and other pods have to be placed meanwhile. */
  const waitingForVolumes = new Set<Promise<void>>();
  const stopping = new AbortController();
  const extenders = (options.extenders ?? []).map((one) => new Extender(one, stopping.signal));
  const guard = new ChangeGuard(deps.leftOut);

  const pods = informers.informer('pods');
  const nodes = informers.informer('nodes');
  const namespaces = informers.informer('namespaces');
  const services = informers.informer('services');
  const replicaSets = informers.informer('replicasets.apps');
  const statefulSets = informers.informer('statefulsets.apps');
  const replicationControllers = informers.informer('replicationcontrollers');
  const storage = new StorageCache(informers);
  const devices = new DeviceCache(informers, { nowMs: () => clock.now(), newId: options.newId ?? randomUUID });
  const disruptionBudgets = informers.informer('poddisruptionbudgets.policy');
  const budgets = new BudgetIndex();

  const cache = new SchedulerCache({
    namespaceLabels: (name) => namespaces.cache.get(name)?.metadata.labels ?? {},
    services: (namespace) => services.cache.list(namespace),
    ownerSelector(namespace, { apiVersion, kind, name }) {
      const key = `${namespace}/${name}`;
      if (apiVersion === 'v1' && kind === 'ReplicationController') {
        const matchLabels = replicationControllers.cache.get(key)?.spec?.selector;
        return matchLabels === undefined ? undefined : { matchLabels };
      }
      if (apiVersion !== 'apps/v1') return undefined;
      if (kind === 'ReplicaSet') return replicaSets.cache.get(key)?.spec.selector;
      return kind === 'StatefulSet' ? statefulSets.cache.get(key)?.spec.selector : undefined;
    },
    storage,
    devices,
  });
  const volumeDeps: VolumeBinderDeps = {
    client,
    clock,
    storage,
    node: (name) => cache.node(name),
    exists: (pod) => pods.cache.get(podKey(pod))?.metadata.uid === pod.metadata.uid,
  };
  const memos = new TemplateMemos();
  /** Where the next search begins, whichever profile's it is. */
  const search: NodeSearch = { percentageOfNodesToScore: 0, start: 0, memos };

  const profileOf = ({ spec }: Pod): Profile | undefined => profiles.get(spec.schedulerName ?? 'default-scheduler');

  /** Waiting pods that the event may help are tried again. */
  function moveFor(event: ClusterEvent): void {
    const startMs = clock.monotonic();
    queue.move(event);
    metrics.handled(eventLabel(event), (clock.monotonic() - startMs) / 1000);
  }

  function podChanged(pod: Pod): void {
    const { uid } = pod.metadata;
    const node = pod.spec.nodeName ?? '';
    if (isPodTerminal(pod)) podGone(pod);
    else if (node !== '') podAssigned(pod, node);
    // The pod is assumed: its binding is in progress, and this is an older state of it.
    else if (profileOf(pod) !== undefined && !cache.isAssumed(uid)) podPending(pod);
  }

  function podPending(pod: Pod): void {
    const nominated = pod.status?.nominatedNodeName ?? '';
    if (nominated !== '') nominations.set(pod, nominated);
    queue.upsert(pod);
  }

  function podAssigned(pod: Pod, node: string): void {
    const { uid, labels } = pod.metadata;
    const known = cache.isAssumed(uid) ? undefined : cache.pod(uid);
    queue.remove(uid);
    nominations.delete(uid);
    cache.setPod(pod, node);
    if (known === undefined || !sameJson(known.metadata.labels ?? {}, labels ?? {}))
      moveFor({ kind: 'assignedPodChanged', pod, ...(known === undefined ? {} : { previous: known }) });
    if (known !== undefined && requestsLess(pod, known)) moveFor({ kind: 'resourcesFreed', pod });
  }

  function podGone(pod: Pod): void {
    const { uid } = pod.metadata;
    queue.remove(uid);
    // Other pods may have been rejected because of its nomination.
    const wasNominated = nominations.nodeOf(uid) !== undefined;
    nominations.delete(uid);
    if (cache.removePod(uid) !== undefined || wasNominated) moveFor({ kind: 'resourcesFreed', pod });
  }

  function nodeUpdated(node: Node, previous: Node): void {
    cache.setNode(node);
    const changes = nodeChanges(node, previous);
    if (changes.size > 0) moveFor({ kind: 'nodeUpdated', node, changes });
  }

  function namespaceUpdated({ metadata }: Namespace, previous: Namespace): void {
    if (!sameJson(metadata.labels ?? {}, previous.metadata.labels ?? {})) namespaceChanged();
  }

  function namespaceChanged(): void {
    cache.namespaceChanged();
    moveFor({ kind: 'namespaceChanged' });
  }

  const takePod = (pod: Pod): void =>
    guard.take(
      'Pod',
      pod,
      podProblems,
      () => podChanged(pod),
      () => podGone(pod),
    );

  const takeNode = (node: Node, take: () => void): void =>
    guard.take('Node', node, nodeProblems, take, () => cache.removeNode(node.metadata.name));

  function subscribe(): () => void {
    const stops = [
      nodes.subscribe({
        added: (node) =>
          takeNode(node, () => {
            cache.setNode(node);
            moveFor({ kind: 'nodeAdded', node });
          }),
        updated: (node, previous) => takeNode(node, () => nodeUpdated(node, previous)),
        deleted(node) {
          guard.forget(node);
          cache.removeNode(node.metadata.name);
          moveFor({ kind: 'nodeDeleted' });
        },
      }),
      disruptionBudgets.subscribe({
        added: (budget) => budgets.put(budget),
        updated: (budget) => budgets.put(budget),
        deleted: (budget) => budgets.remove(keyOf(budget)),
      }),
      storage.subscribe((event) => moveFor(event)),
      devices.subscribe((event) => moveFor(event)),
      namespaces.subscribe({ added: namespaceChanged, updated: namespaceUpdated }),
      pods.subscribe({
        added: takePod,
        updated: takePod,
        deleted(pod) {
          guard.forget(pod);
          podGone(pod);
        },
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  function start(task: Promise<void>, among = tasks): void {
    const tracked = task
      .catch((error: unknown) => log.error({ err: error }, 'scheduler: a report to the API server failed'))
      .finally(() => among.delete(tracked));
    among.add(tracked);
  }

  /** @returns what is still being decided: extenders are being asked */
  function scheduleOne({ pod, attempts, firstAttemptMs, wasFlushed }: QueuedPod): Promise<void> | undefined {
    const { uid } = pod.metadata;
    if (pod.metadata.deletionTimestamp !== undefined) {
      queue.done(uid);
      events.event(pod, 'Warning', 'FailedScheduling', `skip schedule deleting pod: ${podKey(pod)}`);
      return undefined;
    }
    const profile = profileOf(pod);
    // Pods of other schedulers do not come into the queue, and the name of a pod's scheduler cannot be changed.
    if (profile === undefined) {
      queue.done(uid);
      return undefined;
    }
    // A pod whose claims are still to be made is not tried, and nothing is said of it (upstream's PreEnqueue).
    if (profile.dynamicResources !== undefined && 'problem' in claimsOfPod(pod, devices)) {
      queue.rejected(uid, new Set(['DynamicResources']));
      return undefined;
    }
    const startMs = clock.monotonic();
    const ended = (result: AttemptResult): void => {
      metrics.attempted(result, profile.schedulerName, (clock.monotonic() - startMs) / 1000);
      if (result === 'scheduled') metrics.bound(attempts, (clock.monotonic() - firstAttemptMs) / 1000, wasFlushed);
    };
    const remember = (outcome: Outcome, choice?: Choice): void => {
      const { namespace = '', name } = pod.metadata;
      decisions.add({ pod: { namespace, name, uid }, atMs: clock.now(), attempt: attempts, outcome, choice });
      // An attempt that found a node ends with the binding.
      if (outcome.kind !== 'scheduled') ended(outcome.kind);
    };
    const failed = (error: unknown): void => {
      const message = errorText(error);
      log.error({ pod: podKey(pod), error: message }, 'Error scheduling pod; retrying');
      remember({ kind: 'error', message });
      queue.failed(uid);
      start(reportFailure(pod, 'SchedulerError', message, undefined));
    };
    const seen = cache.snapshot();
    const follow = (choice: Choice): Promise<void> | undefined => {
      if (choice.node !== undefined) metrics.decided((clock.monotonic() - startMs) / 1000);
      if (choice.node !== undefined)
        placeOn(pod, choice.node, profile, () => remember({ kind: 'scheduled', node: choice.node ?? '' }, choice), ended);
      else return tryPreemption(pod, profile, choice, seen, remember, asked);
      return undefined;
    };
    const asked = extenders.filter((one) => one.isInterested(pod));
    try {
      if (seen.nodes.length === 0) {
        unschedulable(pod, noNodesMessage, new Set(), remember);
        return undefined;
      }
      plugins.begin();
      search.phases = phasesOf(profile.schedulerName);
      search.percentageOfNodesToScore = profile.percentageOfNodesToScore ?? options.percentageOfNodesToScore ?? 0;
      const deciding =
        asked.length === 0
          ? follow(chooseNode(pod, seen, nominations.byNode(), profile, random, search))
          : chooseNodeAsking(asked, pod, seen, nominations.byNode(), profile, random, search, log).then(follow);
      return deciding?.catch(failed);
    } catch (error) {
      failed(error);
      return undefined;
    } finally {
      plugins.end();
    }
  }

  const allPhases = new Map<string, DecisionPhases>();
  const phasesOf = (profile: string): DecisionPhases =>
    allPhases.getOrInsertComputed(profile, () => ({
      nowMs: () => clock.monotonic(),
      passed: (point, rejection, ms) => {
        const unresolvable = rejection?.preemptible === false;
        const status = rejection === undefined ? 'Success' : unresolvable ? 'UnschedulableAndUnresolvable' : 'Unschedulable';
        plugins.passed(point, status, profile, ms);
      },
    }));

  function placeOn(pod: Pod, node: string, profile: Profile, remember: () => void, ended: (result: AttemptResult) => void): void {
    const { volumeBinding, dynamicResources, schedulerName } = profile;
    const startMs = clock.monotonic();
    const info = cache.node(node);
    const volumes = volumeBinding === undefined || info === undefined ? undefined : reserveVolumes(pod, info, volumeDeps);
    const claims = dynamicResources === undefined ? undefined : reserveClaims(pod, node, { client, clock, devices, events });
    cache.assume(pod, node);
    plugins.passed('Reserve', 'Success', schedulerName, clock.monotonic() - startMs);
    nominations.delete(pod.metadata.uid);
    remember();
    if (volumes === undefined && claims === undefined) start(bind(pod, node, schedulerName, ended));
    else start(bindWithReserved(pod, node, { volumes, claims }, profile, ended), waitingForVolumes);
  }

  /** The pod is bound once its volumes and devices are. */
  async function bindWithReserved(
    pod: Pod,
    node: string,
    { volumes, claims }: { volumes: VolumeReservation | undefined; claims: ClaimReservation | undefined },
    { volumeBinding, dynamicResources, schedulerName }: Profile,
    attempted: (result: AttemptResult) => void,
  ): Promise<void> {
    const ended = (result: AttemptResult): void => {
      if (result === 'error' && claims !== undefined) start(claims.release());
      attempted(result);
    };
    queue.settled(pod.metadata.uid);
    const startMs = clock.monotonic();
    const preBound = (status: 'Success' | 'Error'): void =>
      plugins.passed('PreBind', status, schedulerName, clock.monotonic() - startMs);
    try {
      await volumes?.bind(volumeBinding?.timeoutMs ?? 0, stopping.signal);
    } catch (error) {
      metrics.volumesFailed('bind');
      preBound('Error');
      return bindingFailed(pod, node, `running PreBind plugin "VolumeBinding": ${errorText(error)}`, ended);
    }
    try {
      await claims?.bind(dynamicResources?.timeoutMs ?? 0, stopping.signal);
    } catch (error) {
      preBound('Error');
      return bindingFailed(pod, node, `running PreBind plugin "DynamicResources": ${errorText(error)}`, ended);
    }
    preBound('Success');
    await bind(pod, node, schedulerName, ended);
  }

  async function bindingFailed(pod: Pod, node: string, message: string, ended: (result: AttemptResult) => void): Promise<void> {
    const { uid } = pod.metadata;
    log.error({ pod: podKey(pod), node, error: message }, 'Failed to bind pod');
    ended('error');
    cache.forget(uid);
    queue.failed(uid);
    moveFor({ kind: 'resourcesFreed', pod });
    return reportFailure(pod, 'SchedulerError', message, '');
  }

  async function bind(pod: Pod, node: string, profile: string, ended: (result: AttemptResult) => void): Promise<void> {
    const startMs = clock.monotonic();
    const { uid, name, namespace } = pod.metadata;
    const binder = extenders.find((one) => one.binds && one.isInterested(pod));
    try {
      if (binder === undefined)
        await client.bind({
          apiVersion: 'v1',
          kind: 'Binding',
          metadata: { name, namespace, uid },
          target: { kind: 'Node', name: node },
        });
      else await binder.bind(pod, node);
      plugins.passed('Bind', 'Success', profile, clock.monotonic() - startMs);
    } catch (error) {
      plugins.passed('Bind', 'Error', profile, clock.monotonic() - startMs);
      return bindingFailed(
        pod,
        node,
        binder === undefined ? `running Bind plugin "DefaultBinder": ${errorText(error)}` : errorText(error),
        ended,
      );
    }
    queue.done(uid);
    ended('scheduled');
    events.event(pod, 'Normal', 'Scheduled', `Successfully assigned ${podKey(pod)} to ${node}`);
    log.debug({ pod: podKey(pod), node }, 'Successfully bound pod to node');
  }

  type Remember = (outcome: Outcome, choice?: Choice) => void;

  function unschedulable(pod: Pod, message: string, rejectedBy: ReadonlySet<string>, remember: Remember): void {
    nominations.delete(pod.metadata.uid);
    remember({ kind: 'unschedulable', message });
    queue.rejected(pod.metadata.uid, rejectedBy);
    start(reportFailure(pod, 'Unschedulable', message, ''));
  }

  function tryPreemption(
    pod: Pod,
    profile: Profile,
    choice: Choice,
    seen: Snapshot,
    remember: Remember,
    asked: readonly Extender[],
  ): Promise<void> | undefined {
    if (profile.preemption === undefined || choice.refusal !== undefined) {
      notPlaced(pod, undefined, choice, seen, remember);
      return undefined;
    }
    const { minPercentage, minAbsolute } = profile.preemption;
    const input: PreemptionInput = {
      pod,
      snapshot: seen,
      verdicts: Array.from(choice.rejections, ([node, rejection]) => ({ node, rejection })),
      nominations: nominations.byNode(),
      filters: profile.filters,
      budgets,
      nowMs: clock.now(),
      search: { maxCandidates: candidatesToFind(seen.nodes.length, minPercentage, minAbsolute), start: random() },
      memo: memos.of(profile, pod),
    };
    const startMs = clock.monotonic();
    const found = asked.length === 0 ? planPreemption(input) : findCandidates(input);
    const helps = !('kind' in found) || found.kind === 'evict';
    plugins.passed('PostFilter', helps ? 'Success' : 'Unschedulable', profile.schedulerName, clock.monotonic() - startMs);
    if ('kind' in found) notPlaced(pod, found, choice, seen, remember);
    else
      return preemptionAsking(asked, pod, found.candidates, seen, log).then((candidates) =>
        notPlaced(pod, chooseCandidate({ ...found, candidates }, input), choice, seen, remember),
      );
    return undefined;
  }

  /** What the dynamic-resources plugin does when no node fits, before preemption. @returns its message */
  function freeClaims(pod: Pod): string {
    const { message, deallocated } = afterFilter(pod, devices);
    if (deallocated !== undefined)
      start(client.resource('resourceclaims.resource.k8s.io').updateStatus(deallocated).then(devices.stored.bind(devices)));
    return message;
  }

  function notPlaced(pod: Pod, plan: PreemptionPlan | undefined, choice: Choice, seen: Snapshot, remember: Remember): void {
    const { refusal, rejectedBy } = choice;
    const afterwards =
      plan?.kind === 'evict'
        ? []
        : refusal !== undefined
          ? [notPrepared]
          : [freeClaims(pod), ...(plan === undefined ? [] : [`preemption: ${plan.message}`])];
    const message = fitErrorMessage({
      nodeCount: seen.nodes.length,
      refusal,
      rejections: choice.rejections.values(),
      afterwards,
    });
    if (plan?.kind === 'evict') {
      remember({ kind: 'unschedulable', message, nominatedNode: plan.node, victims: plan.victims.map(podKey) }, choice);
      start(preempt(pod, plan, message, rejectedBy));
      return;
    }
    const clearNomination = refusal === undefined && (plan === undefined || plan.clearNomination);
    if (clearNomination) nominations.delete(pod.metadata.uid);
    remember({ kind: 'unschedulable', message }, choice);
    queue.rejected(pod.metadata.uid, rejectedBy);
    start(reportFailure(pod, 'Unschedulable', message, clearNomination ? '' : undefined));
  }

  /**
   * Evicts the victims. The pod stays in flight until they are being deleted, so that their deletion counts as an event that may
   * help it.
   */
  async function preempt(
    pod: Pod,
    { node, victims }: Extract<PreemptionPlan, { kind: 'evict' }>,
    message: string,
    rejectedBy: ReadonlySet<string>,
  ): Promise<void> {
    const { uid } = pod.metadata;
    nominations.set(pod, node);
    metrics.preempted(victims.length);
    const startMs = clock.monotonic();
    const evicted = (result: 'success' | 'error'): void => metrics.evicted(result, (clock.monotonic() - startMs) / 1000);
    try {
      // Pods of lower priority that are nominated to the node may not fit there any more, so they are tried again on all nodes.
      for (const other of nominations.below(node, podPriority(pod))) {
        nominations.delete(other.metadata.uid);
        await status.clearNomination(other);
      }
      await Promise.all(victims.map((victim) => evict(victim, pod, node)));
      evicted('success');
      queue.rejected(uid, rejectedBy);
    } catch (error) {
      evicted('error');
      log.error({ pod: podKey(pod), node, err: error }, 'Error occurred during preemption');
      queue.failed(uid);
    }
    await reportFailure(pod, 'Unschedulable', message, node);
  }

  async function evict(victim: Pod, preemptor: Pod, node: string): Promise<void> {
    if (victim.metadata.deletionTimestamp !== undefined) return;
    await status.evict(victim, preemptor.spec.schedulerName ?? 'default-scheduler');
    events.event(victim, 'Normal', 'Preempted', `Preempted by pod ${preemptor.metadata.uid} on node ${node}`);
  }

  /** Records why a pod was not placed, in an event and its condition. Not for a pod that is deleted or was placed meanwhile. */
  async function reportFailure(pod: Pod, reason: string, message: string, nominatedNodeName: string | undefined): Promise<void> {
    const current = pods.cache.get(podKey(pod));
    if (current === undefined || current.metadata.uid !== pod.metadata.uid || (current.spec.nodeName ?? '') !== '') return;
    events.event(current, 'Warning', 'FailedScheduling', truncateNote(message));
    await status.unscheduled(current, reason, message, nominatedNodeName);
  }

  /** A plugin that fails (a selector of devices that cannot be evaluated) failed in the pod's attempts, too: its decisions say so. */
  function remediesOf(pod: Pod, filters: Profile['filters']): Remedy[] {
    try {
      return smallestChanges(pod, cache.snapshot(), filters);
    } catch (error) {
      log.debug({ pod: podKey(pod), err: error }, 'what would let the pod run cannot be found');
      return [];
    }
  }

  return {
    async run(signal) {
      const synced = Promise.all(
        [
          pods,
          nodes,
          namespaces,
          services,
          replicaSets,
          statefulSets,
          replicationControllers,
          disruptionBudgets,
          ...storage.informers,
          ...devices.informers,
        ].map((informer) => informer.untilSynced(signal)),
      );
      const ready = await synced.then(
        () => true,
        () => false,
      );
      if (!ready || signal.aborted) return;
      const unsubscribe = subscribe();
      const end = (): void => stopping.abort();
      signal.addEventListener('abort', end, { once: true });
      for (let decided = 1, turnStartMs = clock.monotonic(); ; decided++) {
        const next = await queue.pop(signal);
        if (next === undefined) break;
        const deciding = scheduleOne(next);
        if (deciding !== undefined) await deciding;
        if (decided % decisionsPerTurn === 0 || clock.monotonic() - turnStartMs > turnMs) {
          await macrotask();
          turnStartMs = clock.monotonic();
        }
        await events.room?.(signal);
        if (tasks.size >= maxTasks) await Promise.race(tasks);
      }
      unsubscribe();
      queue.close();
      stopping.abort();
      await Promise.all([...tasks, ...waitingForVolumes]);
    },
    decisions: (key) => decisions.list(key),
    queueLengths: () => queue.lengths(),
    metrics: [...metrics.all, ...plugins.all],
    explain(key) {
      const uid = pods.cache.get(key)?.metadata.uid ?? '';
      const waiting = queue.waiting(uid);
      const filters = waiting === undefined ? undefined : profileOf(waiting.pod)?.filters;
      const remedies = waiting === undefined || filters === undefined ? [] : remediesOf(waiting.pod, filters);
      return { decisions: decisions.list(key), ...(waiting === undefined ? {} : { waits: waiting.place }), remedies };
    },
  };
}

/** Whether a resize has lowered the pod's requests. */
function requestsLess(pod: Pod, before: Pod): boolean {
  const [now, then] = [podResources(pod).requested, podResources(before).requested];
  return Object.entries(then).some(([resource, amount]) => amountOf(now, resource) < amount);
}
