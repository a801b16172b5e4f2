/**
 * The FlowSchemas and PriorityLevelConfigurations that every cluster has. The mandatory ones have a fixed spec; an administrator may change
 * or delete the suggested ones.
 *
 * Source: apiserver `pkg/apis/flowcontrol/bootstrap/default.go`.
 */
import type {
  FlowControlSubject,
  FlowSchemaSpec,
  NonResourcePolicyRule,
  PriorityLevelConfigurationSpec,
  ResourcePolicyRule,
} from '#api/types.generated.ts';

/** `true`: the server keeps the spec as it is here. */
export const autoUpdateAnnotation = 'apf.kubernetes.io/autoupdate-spec';

/** The priority level without limits, and the FlowSchema that leads to it. */
export const exempt = 'exempt';
/** The FlowSchema and priority level of all requests that match no other FlowSchema. */
export const catchAll = 'catch-all';

type Specs<T> = Readonly<Record<string, T>>;

const limited = (
  nominalConcurrencyShares: number,
  lendablePercent: number,
  queues?: [queues: number, handSize: number],
): PriorityLevelConfigurationSpec => ({
  type: 'Limited',
  limited: {
    nominalConcurrencyShares,
    lendablePercent,
    limitResponse:
      queues === undefined
        ? { type: 'Reject' }
        : { type: 'Queue', queuing: { queues: queues[0], handSize: queues[1], queueLengthLimit: 50 } },
  },
});

/** The mandatory priority levels, by name. The server keeps them exactly as they are here. */
export const mandatoryPriorityLevels: Specs<PriorityLevelConfigurationSpec> = {
  [exempt]: { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } },
  [catchAll]: limited(5, 0),
};

/** The suggested priority levels, by name. The server creates them, and maintains them while their annotation allows it. */
export const suggestedPriorityLevels: Specs<PriorityLevelConfigurationSpec> = {
  system: limited(30, 33, [64, 6]),
  'node-high': limited(40, 25, [64, 6]),
  'leader-election': limited(10, 0, [16, 4]),
  'workload-high': limited(40, 50, [128, 6]),
  'workload-low': limited(100, 90, [128, 6]),
  'global-default': limited(20, 50, [128, 6]),
};

const groups = (...names: string[]): FlowControlSubject[] => names.map((name) => ({ kind: 'Group', group: { name } }));
const users = (...names: string[]): FlowControlSubject[] => names.map((name) => ({ kind: 'User', user: { name } }));
const kubeSystem: FlowControlSubject = { kind: 'ServiceAccount', serviceAccount: { namespace: 'kube-system', name: '*' } };
const everybody = groups('system:unauthenticated', 'system:authenticated');

/** A rule for resources in all namespaces. @param clusterScope includes cluster-scoped objects */
const resources = (verbs: string[], apiGroup: string, names: string[], clusterScope: boolean): ResourcePolicyRule => ({
  verbs,
  apiGroups: [apiGroup],
  resources: names,
  namespaces: ['*'],
  ...(clusterScope ? { clusterScope } : {}),
});
const anyResource = resources(['*'], '*', ['*'], true);
const anyPath: NonResourcePolicyRule = { verbs: ['*'], nonResourceURLs: ['*'] };

const flowSchema = (
  level: string,
  matchingPrecedence: number,
  distinguisher: 'ByUser' | 'ByNamespace' | undefined,
  subjects: FlowControlSubject[],
  resourceRules: ResourcePolicyRule[] = [anyResource],
  nonResourceRules: NonResourcePolicyRule[] = [anyPath],
): FlowSchemaSpec => ({
  priorityLevelConfiguration: { name: level },
  matchingPrecedence,
  ...(distinguisher === undefined ? {} : { distinguisherMethod: { type: distinguisher } }),
  rules: [
    {
      subjects,
      ...(resourceRules.length === 0 ? {} : { resourceRules }),
      ...(nonResourceRules.length === 0 ? {} : { nonResourceRules }),
    },
  ],
});

/** The mandatory FlowSchemas, by name. The server keeps them exactly as they are here. */
export const mandatoryFlowSchemas: Specs<FlowSchemaSpec> = {
  [exempt]: flowSchema(exempt, 1, undefined, groups('system:masters')),
  [catchAll]: flowSchema(catchAll, 10_000, 'ByUser', everybody),
};

/** The suggested FlowSchemas, by name. The server creates them, and maintains them while their annotation allows it. */
export const suggestedFlowSchemas: Specs<FlowSchemaSpec> = {
  'system-nodes': flowSchema('system', 500, 'ByUser', groups('system:nodes')),
  'system-node-high': flowSchema(
    'node-high',
    400,
    'ByUser',
    groups('system:nodes'),
    [resources(['*'], '', ['nodes', 'nodes/status'], true), resources(['*'], 'coordination.k8s.io', ['leases'], false)],
    [],
  ),
  probes: flowSchema(
    exempt,
    2,
    undefined,
    everybody,
    [],
    [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }],
  ),
  'system-leader-election': flowSchema(
    'leader-election',
    100,
    'ByUser',
    [...users('system:kube-controller-manager', 'system:kube-scheduler'), kubeSystem],
    [resources(['get', 'create', 'update'], 'coordination.k8s.io', ['leases'], false)],
    [],
  ),
  'kube-controller-manager': flowSchema('workload-high', 800, 'ByNamespace', users('system:kube-controller-manager')),
  'kube-scheduler': flowSchema('workload-high', 800, 'ByNamespace', users('system:kube-scheduler')),
  'kube-system-service-accounts': flowSchema('workload-high', 900, 'ByNamespace', [kubeSystem]),
  'service-accounts': flowSchema('workload-low', 9000, 'ByUser', groups('system:serviceaccounts')),
  'global-default': flowSchema('global-default', 9900, 'ByUser', everybody),
};
