/**
 * For each conformance test of upstream 1.36 (sig-api-machinery, sig-auth, sig-cli, sig-architecture, sig-instrumentation) the test of ours that
 * asserts the same. Names of tests with parameters stand as they do in the code, as templates.
 */

/** The tests of extensions (custom resources, webhooks, policies, aggregation) are beside their code. */
export const extensions =
  /\] (AdmissionWebhook|CustomResource|Aggregator|MutatingAdmissionPolicy|ValidatingAdmissionPolicy)|for CRD|\bCRs?\b|CRDs$/;

/** Our files, each with upstream's names and the names of our tests. */
export const conformanceMap: Readonly<Record<string, readonly (readonly [upstream: string, ours: string])[]>> = {
  'test/upstream/api-machinery.test.ts': [
    [
      '[sig-api-machinery] API priority and fairness should support FlowSchema API operations',
      'has all operations on ${plural}, and discovery names them',
    ],
    [
      '[sig-api-machinery] API priority and fairness should support PriorityLevelConfiguration API operations',
      'has all operations on ${plural}, and discovery names them',
    ],
    [
      '[sig-api-machinery] AggregatedDiscovery should support aggregated discovery interface',
      'of all groups comes in one document',
    ],
    [
      '[sig-api-machinery] AggregatedDiscovery should support raw aggregated discovery endpoint Accept headers',
      'of the core group comes in one document, too',
    ],
    [
      '[sig-api-machinery] Discovery should locate the groupVersion and a resource within each APIGroup',
      'finds one resource in each of the groups that every cluster has',
    ],
    [
      '[sig-api-machinery] Discovery should validate PreferredVersion for each APIGroup',
      'names each group, its preferred version, and its resources where the group says',
    ],
    [
      '[sig-api-machinery] FieldValidation should detect unknown and duplicate fields of a typed object',
      '${what} are refused when the client asks for it, and nothing is made',
    ],
    [
      '[sig-api-machinery] FieldValidation should detect unknown metadata fields of a typed object',
      '${what} are refused when the client asks for it, and nothing is made',
    ],
    [
      '[sig-api-machinery] Servers with support for API chunking should return chunks of results for list calls',
      'comes in pieces of one moment, in order, again and again, or at once',
    ],
    [
      '[sig-api-machinery] Servers with support for API chunking should support continue listing from the last key if the original version has been compacted away, though the list is inconsistent [Slow]',
      'goes on, of another moment, when that of the first piece is no longer known',
    ],
    [
      '[sig-api-machinery] Servers with support for Table transformation should return a 406 for a backend which does not implement metadata',
      'of what has no metadata is refused with 406',
    ],
    [
      '[sig-api-machinery] Watchers should be able to restart watching from the last resource version observed by the previous watch',
      'go on after the last event that an earlier one has seen',
    ],
    [
      '[sig-api-machinery] Watchers should be able to start watching from a specific resource version',
      'begin after the revision that they name',
    ],
    [
      '[sig-api-machinery] Watchers should observe add, update, and delete watch notifications on configmaps',
      'each see what their labels select, and nothing else',
    ],
    [
      '[sig-api-machinery] Watchers should observe an object deletion if it stops meeting the requirements of the selector',
      'see an object that ceases to match as deleted, and as added when it matches again',
    ],
    [
      '[sig-api-machinery] Watchers should receive events on concurrent watches in same order',
      'that run beside each other, from different moments, see the same order',
    ],
    ['[sig-api-machinery] server version should find the server version', 'tells the version of the server'],
  ],
  'test/upstream/deletion.test.ts': [
    [
      '[sig-api-machinery] Garbage collector should delete RS created by deployment when not orphaning',
      'takes the ReplicaSet of a Deployment, and leaves it when the deletion orphans it',
    ],
    [
      '[sig-api-machinery] Garbage collector should delete pods created by rc when not orphaning',
      'takes the pods of a ReplicationController that is deleted',
    ],
    [
      '[sig-api-machinery] Garbage collector should keep the rc around until all its pods are deleted if the deleteOptions says so [Serial]',
      'keeps the owner until all its pods are gone, when asked so',
    ],
    [
      '[sig-api-machinery] Garbage collector should not be blocked by dependency circle',
      'is not held up by pods that own each other in a circle',
    ],
    [
      "[sig-api-machinery] Garbage collector should not delete dependents that have both valid owner and owner that's waiting for dependents to be deleted [Serial]",
      'leaves pods that have another owner besides the one that waits for its pods',
    ],
    [
      '[sig-api-machinery] Garbage collector should orphan RS created by deployment when deleteOptions.PropagationPolicy is Orphan',
      'takes the ReplicaSet of a Deployment, and leaves it when the deletion orphans it',
    ],
    [
      '[sig-api-machinery] Garbage collector should orphan pods created by rc if delete options say so [Serial]',
      'leaves them when the deletion orphans them',
    ],
    [
      '[sig-api-machinery] Namespaces [Serial] should apply a finalizer to a Namespace',
      'gets a finalizer by its subresource, and loses it so',
    ],
    ['[sig-api-machinery] Namespaces [Serial] should apply an update to a Namespace', 'is patched and updated'],
    ['[sig-api-machinery] Namespaces [Serial] should apply changes to a namespace status', 'has its status patched and updated'],
    [
      '[sig-api-machinery] Namespaces [Serial] should ensure that all pods are removed when a namespace is deleted',
      'takes its pods along, so that one of the same name begins without them',
    ],
    [
      '[sig-api-machinery] Namespaces [Serial] should ensure that all services are removed when a namespace is deleted',
      'takes its services along',
    ],
    ['[sig-api-machinery] Namespaces [Serial] should patch a Namespace', 'is patched and updated'],
    [
      '[sig-api-machinery] OrderedNamespaceDeletion namespace deletion should delete pod first',
      'deletes its pods before all else',
    ],
  ],
  'test/upstream/quota.test.ts': [
    [
      '[sig-api-machinery] ResourceQuota should apply changes to a resourcequota status',
      'has its status updated and patched, which leaves its spec',
    ],
    ['[sig-api-machinery] ResourceQuota should be able to update and delete ResourceQuota.', 'is updated, and deleted'],
    [
      '[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a configMap.',
      'follows the life of objects that it counts: ${resource}',
    ],
    [
      '[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a pod.',
      'follows pods and what they request, and lets nobody pass it',
    ],
    [
      '[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a replica set.',
      'follows the life of objects that it counts: ${resource}',
    ],
    [
      '[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a replication controller.',
      'follows the life of objects that it counts: ${resource}',
    ],
    [
      '[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a secret.',
      'follows the life of objects that it counts: ${resource}',
    ],
    [
      '[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a service.',
      'follows services, and refuses those that are too many',
    ],
    [
      '[sig-api-machinery] ResourceQuota should create a ResourceQuota and ensure its status is promptly calculated.',
      'tells its status soon after it is made',
    ],
    [
      '[sig-api-machinery] ResourceQuota should manage the lifecycle of a ResourceQuota',
      'is listed by its labels, patched, and deleted as a collection',
    ],
    [
      '[sig-api-machinery] ResourceQuota should verify ResourceQuota with best effort scope.',
      'counts the pods of its scope alone: with and without requests',
    ],
    [
      '[sig-api-machinery] ResourceQuota should verify ResourceQuota with terminating scopes.',
      'counts the pods of its scope alone: with and without an end',
    ],
  ],
  'test/e2e/scheduling.suite.ts': [
    [
      '[sig-architecture] Conformance Tests should have at least two untainted nodes',
      'has two nodes that are ready and take pods of everybody',
    ],
  ],
  'control/apiserver/kinds/certificates/certificatesigningrequest/operations.test.ts': [
    [
      '[sig-auth] Certificates API [Privileged:ClusterAdmin] should support CSR API operations',
      'are created, changed, approved, signed and deleted',
    ],
  ],
  'control/apiserver/authentication/service-account-conformance.test.ts': [
    [
      '[sig-auth] ServiceAccounts ServiceAccountIssuerDiscovery should support OIDC discovery of service account issuer',
      'get a token that others verify by what discovery tells them, as service accounts may ask it',
    ],
    [
      '[sig-auth] ServiceAccounts should allow opting out of API token automount',
      'and pods say whether the token is mounted: ${ofAccount} and ${ofPod}: ${isMounted}',
    ],
    [
      '[sig-auth] ServiceAccounts should create a serviceAccountToken and ensure a successful TokenReview',
      'get a token that a TokenReview knows',
    ],
    [
      '[sig-auth] ServiceAccounts should run through the lifecycle of a ServiceAccount',
      'are made, watched, patched, listed by label and deleted as a collection',
    ],
    ['[sig-auth] ServiceAccounts should update a ServiceAccount', 'are updated'],
    [
      '[sig-auth] SubjectReview should support SubjectReview API operations',
      "are told by reviews what ${isAllowed ? 'they may do' : 'they may not do'}, and it is so",
    ],
  ],
  'control/controllers/cluster-content.test.ts': [
    [
      '[sig-auth] ServiceAccounts should guarantee kube-root-ca.crt exist in any namespace',
      'get a service account and the root CA, also again after they are deleted or changed',
    ],
  ],
  'test/e2e/pods.suite.ts': [
    ['[sig-auth] ServiceAccounts should mount an API token into pods', 'can use the API with their service account token'],
    [
      '[sig-auth] ServiceAccounts should mount projected service account token',
      'mount config maps, secrets, host paths and their service account',
    ],
    [
      '[sig-cli] Kubectl logs logs should be able to retrieve and filter logs',
      'serve their logs: followed, limited, since a time, with times',
    ],
  ],
  'test/upstream/kubectl.test.ts': [
    [
      '[sig-cli] Kubectl client Guestbook application should create and stop a working application',
      'starts the parts of an application, and takes them away again',
    ],
    ['[sig-cli] Kubectl client Kubectl api-versions should check if v1 is in available api versions', 'api-versions has v1'],
    [
      '[sig-cli] Kubectl client Kubectl cluster-info should check if Kubernetes control plane services is included in cluster-info',
      'cluster-info names the control plane',
    ],
    [
      '[sig-cli] Kubectl client Kubectl describe should check if kubectl describe prints relevant information for rc and pods',
      'describe tells what matters of pods, controllers, services, nodes and namespaces',
    ],
    [
      '[sig-cli] Kubectl client Kubectl diff should check if kubectl diff finds a difference for Deployments',
      'diff finds what a changed Deployment would change',
    ],
    [
      '[sig-cli] Kubectl client Kubectl expose should create services for rc',
      'expose makes services for a controller, and for such a service',
    ],
    ['[sig-cli] Kubectl client Kubectl label should update the label on a resource', 'label adds, shows and removes a label'],
    [
      '[sig-cli] Kubectl client Kubectl patch should add annotations for pods in rc',
      'patch adds an annotation to each pod of a controller',
    ],
    [
      "[sig-cli] Kubectl client Kubectl replace should update a single-container pod's image",
      'replace changes the image of a pod',
    ],
    [
      '[sig-cli] Kubectl client Kubectl run pod should create a pod from an image when restart is Never',
      'run makes a pod that is not restarted, of the image',
    ],
    [
      '[sig-cli] Kubectl client Kubectl server-side dry-run should check if kubectl can dry-run update Pods',
      'a dry run on the server changes nothing',
    ],
    ['[sig-cli] Kubectl client Kubectl version should check is all data is printed', 'version prints all of both sides'],
    ['[sig-cli] Kubectl client Proxy server should support --unix-socket=/path', 'proxy serves the API on a socket in a folder'],
    ['[sig-cli] Kubectl client Proxy server should support proxy with --port 0', 'proxy serves the API on a port that is free'],
    [
      '[sig-cli] Kubectl client Update Demo should create and stop a replication controller',
      'makes a ReplicationController, scales it down and up, and deletes it',
    ],
    [
      '[sig-cli] Kubectl client Update Demo should scale a replication controller',
      'makes a ReplicationController, scales it down and up, and deletes it',
    ],
  ],
  'test/upstream/events.test.ts': [
    ['[sig-instrumentation] Events API should delete a collection of events', 'are deleted as a collection'],
    [
      '[sig-instrumentation] Events API should ensure that an event can be fetched, patched, deleted, and listed',
      'are made, listed, patched, updated, read and deleted',
    ],
    ['[sig-instrumentation] Events should delete a collection of events', 'are deleted as a collection'],
    [
      '[sig-instrumentation] Events should manage the lifecycle of an event',
      'are made, listed, patched, updated, read and deleted',
    ],
  ],
};
