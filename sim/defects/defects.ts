/**
 * Known kinds of controller bugs, each as a change of our source that introduces it. `kind` describes upstream's issues of this kind. `npm
 * run sim -- --defects` reports which the simulation finds.
 */

import type { ScenarioName } from '../scenarios/index.ts';

/** One planted defect. */
export interface Defect {
  name: string;
  kind: string;
  /** The scenarios that can reveal the defect. */
  scenarios: readonly ScenarioName[];
  /** The seed of a world that reveals the defect. Absent when none is known. */
  shownBy?: string;
  edits: readonly { file: string; from: string; to: string }[];
}

const controllers = 'control/controllers';

export const defects: readonly Defect[] = [
  {
    name: 'job-counts-released-again',
    scenarios: ['jobs', 'cron'],
    shownBy: '165',
    kind: 'Job counts a pod twice: its cache still shows the finalizer that it has removed',
    edits: [
      { file: `${controllers}/job/job.ts`, from: 'changes.released(key) &&', to: '' },
      { file: `${controllers}/job/job.ts`, from: 'BigInt(job.metadata.resourceVersion) >= memory.written &&', to: '' },
    ],
  },
  {
    name: 'job-releases-before-counting',
    scenarios: ['jobs', 'cron'],
    shownBy: '78',
    kind: 'Job loses a pod: the finalizer goes before the count is stored, and a crash comes between',
    edits: [
      {
        file: `${controllers}/job/job.ts`,
        from: 'if (!sameStatus(job.status, status)) stored = await write(job, status, memory);',
        to: 'await changes.release(key, tracking.release, pods); if (!sameStatus(job.status, status)) stored = await write(job, status, memory);',
      },
    ],
  },
  {
    name: 'job-ignores-terminating',
    scenarios: ['jobs', 'cron'],
    kind: 'Job with podReplacementPolicy Failed replaces pods that still terminate',
    edits: [
      {
        file: `${controllers}/job/plan-pods.ts`,
        from: 'wanted - active.length - (replacesOnlyFailed(job) ? assessment.terminating : 0)',
        to: 'wanted - active.length',
      },
    ],
  },
  {
    name: 'statefulset-two-after-partition',
    scenarios: ['stateful'],
    shownBy: '34',
    kind: 'StatefulSet with two pods of one name: pods of a node that nobody reaches are deleted by force',
    edits: [
      {
        file: `${controllers}/pod-gc.ts`,
        from: "if (terminating && isOut(node)) return 'outOfService';",
        to: "if (terminating && readyCondition(node)?.status !== 'True') return 'outOfService';",
      },
    ],
  },
  {
    name: 'statefulset-does-not-wait',
    scenarios: ['stateful'],
    shownBy: '5',
    kind: 'StatefulSet creates the next pod before the one before it is ready',
    edits: [
      {
        file: `${controllers}/statefulset-plan.ts`,
        from: "[] : [{ do: 'create', pod }], blocks: true };",
        to: "[] : [{ do: 'create', pod }], blocks: false };",
      },
    ],
  },
  {
    name: 'expectations-ignored',
    scenarios: ['rollouts', 'owners', 'jobs'],
    kind: 'Pods are created twice: the controller acts on a cache that does not show its own creations',
    edits: [{ file: `${controllers}/expectations.ts`, from: 'return open.length === 0;', to: 'return true;' }],
  },
  {
    name: 'expectations-never-met',
    scenarios: ['rollouts', 'owners', 'jobs'],
    kind: 'A creation that failed is expected for ever, and the owner never looked at again',
    edits: [
      {
        file: `${controllers}/pod-control.ts`,
        from: 'if (isNamespaceTerminating(error)) return; // Nothing can be created in the namespace any more.',
        to: "expectations.deleted(keyOf(owner), { ...owner, metadata: { ...owner.metadata, name: '?' } }, clock.monotonic()); expectations.created(keyOf(owner), { ...owner, metadata: { ...owner.metadata, name: 'never', uid: 'never' } }, Infinity);",
      },
    ],
  },
  {
    name: 'orphans-adopted-by-the-dead',
    scenarios: ['owners'],
    shownBy: '3',
    kind: 'Orphan adoption race: an owner that is gone on the server adopts pods again, and they are collected',
    edits: [
      { file: `${controllers}/ownership.ts`, from: 'if (adopt.length > 0) await checkOwnerExists(client, owner);', to: '' },
      {
        file: `${controllers}/ownership.ts`,
        from: 'const ownerGoes = owner.metadata.deletionTimestamp !== undefined;',
        to: 'const ownerGoes = false;',
      },
    ],
  },
  {
    name: 'rollout-loops',
    scenarios: ['rollouts'],
    shownBy: '15',
    kind: 'Rollout loops: a template is never found equal to itself, and each look makes another ReplicaSet',
    edits: [
      {
        file: `${controllers}/deployment-revisions.ts`,
        from: 'return sameJson(pruned(withoutHash(a)), pruned(withoutHash(b)));',
        to: 'return sameJson(pruned(a), pruned(b));',
      },
    ],
  },
  {
    name: 'surge-counts-one-set',
    scenarios: ['rollouts'],
    shownBy: '18',
    kind: 'A rollout passes its surge: pods of old ReplicaSets are not counted',
    edits: [
      {
        file: `${controllers}/deployment-scale.ts`,
        from: 'fenceposts(deployment).maxSurge - totalSize;',
        to: 'fenceposts(deployment).maxSurge - currentSize;',
      },
    ],
  },
  {
    name: 'eviction-not-counted',
    scenarios: ['drains'],
    shownBy: '3',
    kind: 'Eviction past a budget: evictions at the same time all see the same allowance',
    edits: [
      {
        file: 'control/apiserver/kinds/core/pod/eviction-budget.ts',
        from: 'disruptionsAllowed: disruptionsAllowed - 1,',
        to: 'disruptionsAllowed,',
      },
    ],
  },
  {
    name: 'budget-forgets-evicted',
    scenarios: ['drains'],
    shownBy: '36',
    kind: 'Eviction past a budget: pods that were just evicted are counted as healthy from an old cache',
    edits: [
      {
        file: `${controllers}/disruption.ts`,
        from: 'const disrupted = disruptedPods(pods, budget.status, nowMs);',
        to: 'const disrupted = disruptedPods(pods, { ...budget.status, disruptedPods: {} } as never, nowMs);',
      },
    ],
  },
  {
    name: 'collector-trusts-its-cache',
    scenarios: ['rollouts', 'owners'],
    kind: 'The garbage collector deletes living objects: an owner that its cache does not show yet counts as gone',
    edits: [
      {
        file: `${controllers}/garbage-collector.ts`,
        from: 'async (one) => ({ one, state: await ownerState(one, live, deps) })',
        to: "async (one) => ({ one, state: graph.object(one.uid, caches) === undefined ? ('absent' as const) : await ownerState(one, live, deps) })",
      },
    ],
  },
  {
    name: 'collector-ignores-uid',
    scenarios: ['owners'],
    shownBy: '27',
    kind: 'Dependents of a deleted owner stay: another object has its name now',
    edits: [
      {
        file: `${controllers}/garbage-collector.ts`,
        from: "if (owner.metadata.uid !== reference.uid) return 'absent';",
        to: '',
      },
    ],
  },
  {
    name: 'scheduler-assumes-nothing',
    scenarios: ['tight'],
    shownBy: '21',
    kind: 'Node over its room: the scheduler does not count the pods whose binding is on its way',
    edits: [
      { file: 'control/scheduler/cache.ts', from: 'this.#place({ pod, node, assumed: true });', to: 'void pod; void node;' },
    ],
  },
  {
    name: 'binding-unchecked',
    scenarios: ['rollouts', 'owners', 'stateful'],
    kind: 'A pod is bound twice: a binding is repeated after its answer was lost, to another node',
    edits: [
      {
        file: 'control/apiserver/kinds/core/pod/binding.ts',
        from: "if ((pod.spec?.nodeName ?? '') !== '')",
        to: 'if (false as boolean)',
      },
    ],
  },
  {
    name: 'quota-races',
    scenarios: ['quota'],
    shownBy: '4',
    kind: 'Quota passed: creations at the same time are each compared with the same usage',
    edits: [
      {
        file: 'control/apiserver/admission/plugins/resource-quotas/reservations.ts',
        from: 'const quotas = now();',
        to: 'void now; const quotas = stored;',
      },
    ],
  },
  {
    name: 'quota-counts-old-cache',
    scenarios: ['quota'],
    kind: 'Quota passed: a count from an old cache takes back what was reserved since',
    edits: [
      {
        file: 'control/apiserver/admission/plugins/resource-quota.ts',
        from: 'if (isLow) throw conflict(',
        to: 'if (isLow && (false as boolean)) throw conflict(',
      },
    ],
  },
  {
    name: 'daemons-unscheduled-uncounted',
    scenarios: ['daemons'],
    shownBy: '22',
    kind: 'Two pods of a DaemonSet on a node: pods that are not scheduled yet are not counted',
    edits: [
      { file: `${controllers}/daemonset-plan.ts`, from: 'const node = targetNode(pod);', to: 'const node = pod.spec.nodeName;' },
    ],
  },
  {
    name: 'cron-starts-again',
    scenarios: ['cron'],
    shownBy: '1',
    kind: 'CronJob starts a time twice: the name of its Job does not depend on the time',
    edits: [
      {
        file: `${controllers}/cronjob/cron-job-plan.ts`,
        from: '`${cronJob.metadata.name}-${Math.floor(atMs / 60_000)}`',
        to: '`${cronJob.metadata.name}-${Math.floor(atMs / 60_000)}-${Math.floor(Math.random() * 1e6)}`',
      },
    ],
  },
  {
    name: 'watch-resumes-now',
    scenarios: ['rollouts', 'stateful', 'owners'],
    kind: 'An informer misses deletions: after a break its watch goes on from now and not from where it was',
    edits: [
      {
        file: 'client/reflector.ts',
        from: '{ ...deps.selection, resourceVersion, allowWatchBookmarks',
        to: '{ ...deps.selection, allowWatchBookmarks',
      },
    ],
  },
  {
    name: 'queue-drops-busy-keys',
    scenarios: ['rollouts', 'stateful', 'owners', 'jobs'],
    shownBy: '12',
    kind: 'A change is missed: a key that is being worked on is not queued again',
    edits: [{ file: 'client/workqueue.ts', from: 'again.add(key);', to: '' }],
  },
  {
    name: 'namespace-finalized-early',
    scenarios: ['namespaces'],
    shownBy: '6',
    kind: 'A namespace goes before its content: objects with finalizers are left in it',
    edits: [
      {
        file: `${controllers}/namespace.ts`,
        from: 'if (remaining.objects.length > 0) {',
        to: 'if (remaining.objects.length > 99) {',
      },
    ],
  },
];
