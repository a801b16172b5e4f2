/** The state converges: in the end each workload matches its spec. */

import { controllerOf, keyOf } from '#api/meta.ts';
import { isNodeReady } from '#api/node-conditions.ts';
import { isPodReady, isPodTerminal } from '#api/pod/conditions.ts';
import { labelMatcherOfMap, matchesLabels } from '#api/selector.ts';
import { serviceNameLabel } from '#api/service-labels.ts';
import type {
  CronJob,
  DaemonSet,
  Deployment,
  EndpointSlice,
  Node,
  Pod,
  ReplicaSet,
  ResourceQuota,
  Service,
  StatefulSet,
} from '#api/types.generated.ts';
import { behaviour } from '../kubelet.ts';
import type { Model } from '../model.ts';
import type { InvariantOf } from './invariant.ts';

const isReady = (pod: Pod): boolean => isPodReady(pod) && pod.metadata.deletionTimestamp === undefined && !isPodTerminal(pod);

/** Whether a quota may prevent a workload from reaching its size. */
const isLimited = (model: Model, namespace: string | undefined): boolean =>
  model
    .all<ResourceQuota>('resourcequotas')
    .some(({ metadata, spec }) => metadata.namespace === namespace && spec?.hard?.['pods'] !== undefined);

export const workloads: InvariantOf = ({ model }) => ({
  name: 'the state converges',
  *unmet() {
    for (const one of model.all<Deployment>('deployments')) yield* deployment(model, one);
    for (const one of model.all<ReplicaSet>('replicasets')) yield* replicaSet(model, one);
    for (const one of model.all<StatefulSet>('statefulsets')) yield* statefulSet(model, one);
    for (const one of model.all<DaemonSet>('daemonsets')) yield* daemonSet(model, one);
    for (const one of model.all<CronJob>('cronjobs')) yield* cronJob(model, one);
    for (const one of model.all<Service>('services')) yield* service(model, one);
    for (const pod of model.pods())
      if (hasBegun(pod) && (endsByItself(pod) || !isReady(pod))) yield `${keyOf(pod)} is neither ready nor at its end`;
    for (const node of model.all<Node>('minions')) if (!isNodeReady(node)) yield `node ${node.metadata.name} is not ready`;
  },
});

const hasBegun = (pod: Pod): boolean => (pod.spec.nodeName ?? '') !== '' && !isPodTerminal(pod);
const endsByItself = ({ metadata }: Pod): boolean => metadata.annotations?.[behaviour.runsSeconds] !== undefined;

function* deployment(model: Model, one: Deployment): Iterable<string> {
  const { metadata, spec, status } = one;
  if (spec?.paused === true || isLimited(model, metadata.namespace)) return;
  const replicas = spec?.replicas ?? 1;
  if (status?.observedGeneration !== metadata.generation) yield `Deployment ${keyOf(one)} has not been looked at`;
  for (const count of ['replicas', 'updatedReplicas', 'availableReplicas'] as const)
    if ((status?.[count] ?? 0) !== replicas) yield `Deployment ${keyOf(one)}: ${count} is ${status?.[count] ?? 0} of ${replicas}`;
  const active = model
    .all<ReplicaSet>('replicasets')
    .filter((set) => controllerOf(set)?.uid === metadata.uid && set.spec?.replicas !== 0);
  if (replicas > 0 && active.length !== 1) yield `Deployment ${keyOf(one)} has ${active.length} active ReplicaSets`;
  const image = one.spec?.template.spec?.containers[0]?.image;
  if (replicas > 0 && active[0]?.spec?.template?.spec?.containers[0]?.image !== image)
    yield `Deployment ${keyOf(one)} runs another image`;
}

function* replicaSet(model: Model, one: ReplicaSet): Iterable<string> {
  const replicas = isLimited(model, one.metadata.namespace)
    ? model.podsOf(one).filter(isReady).length
    : (one.spec?.replicas ?? 1);
  const pods = model.podsOf(one).filter((pod) => !isPodTerminal(pod));
  if (pods.length !== replicas) yield `ReplicaSet ${keyOf(one)} has ${pods.length} pods of ${replicas}`;
  const ready = pods.filter(isReady).length;
  if (ready !== replicas) yield `ReplicaSet ${keyOf(one)} has ${ready} ready pods of ${replicas}`;
  for (const count of ['replicas', 'readyReplicas'] as const)
    if ((one.status?.[count] ?? 0) !== replicas) yield `ReplicaSet ${keyOf(one)}: ${count} is ${one.status?.[count] ?? 0}`;
}

function* statefulSet(model: Model, one: StatefulSet): Iterable<string> {
  const { metadata, spec, status } = one;
  const replicas = spec?.replicas ?? 1;
  const start = spec?.ordinals?.start ?? 0;
  const pods = model.podsOf(one);
  const image = spec?.template.spec?.containers[0]?.image;
  for (let ordinal = start; ordinal < start + replicas; ordinal++) {
    const pod = pods.find(({ metadata: { name } }) => name === `${metadata.name}-${ordinal}`);
    if (pod === undefined || !isReady(pod)) yield `${metadata.name}-${ordinal} is not ready`;
    else if (spec?.updateStrategy?.type !== 'OnDelete' && pod.spec.containers[0]?.image !== image)
      yield `${metadata.name}-${ordinal} has not been updated`;
  }
  if (pods.length !== replicas) yield `StatefulSet ${keyOf(one)} has ${pods.length} pods of ${replicas}`;
  if ((status?.readyReplicas ?? 0) !== replicas)
    yield `StatefulSet ${keyOf(one)}: readyReplicas is ${status?.readyReplicas ?? 0}`;
}

function* daemonSet(model: Model, one: DaemonSet): Iterable<string> {
  const pods = model.podsOf(one);
  const image = one.spec?.template.spec?.containers[0]?.image;
  const nodes = model.all<Node>('minions');
  for (const { metadata } of nodes) {
    const here = pods.filter(({ spec }) => spec.nodeName === metadata.name);
    if (here.filter(isReady).length !== 1)
      yield `DaemonSet ${keyOf(one)} has ${here.filter(isReady).length} ready pods on ${metadata.name}`;
    if (here.some(({ spec }) => spec.containers[0]?.image !== image))
      yield `DaemonSet ${keyOf(one)} is not updated on ${metadata.name}`;
  }
  if (pods.length !== nodes.length) yield `DaemonSet ${keyOf(one)} has ${pods.length} pods on ${nodes.length} nodes`;
  if (one.status?.numberReady !== nodes.length) yield `DaemonSet ${keyOf(one)}: numberReady is ${one.status?.numberReady}`;
}

function* cronJob(model: Model, one: CronJob): Iterable<string> {
  for (const { uid, name } of one.status?.active ?? [])
    if (model.byUid(uid ?? '') === undefined) yield `CronJob ${keyOf(one)} believes that ${name} is active`;
}

function* service(model: Model, one: Service): Iterable<string> {
  const { metadata, spec } = one;
  if (spec?.selector === undefined) return;
  const matcher = labelMatcherOfMap(spec.selector);
  const wanted = model
    .pods()
    .filter((pod) => pod.metadata.namespace === metadata.namespace && matchesLabels(matcher, pod.metadata.labels) && isReady(pod))
    .map((pod) => pod.metadata.name)
    .sort();
  const told = model
    .all<EndpointSlice>('endpointslices')
    .filter(
      (slice) => slice.metadata.labels?.[serviceNameLabel] === metadata.name && slice.metadata.namespace === metadata.namespace,
    )
    .flatMap(({ endpoints }) =>
      (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false).map(({ targetRef }) => targetRef?.name ?? ''),
    )
    .sort();
  if (wanted.join() !== told.join()) yield `Service ${keyOf(one)} leads to [${told.join(' ')}], ready are [${wanted.join(' ')}]`;
}
