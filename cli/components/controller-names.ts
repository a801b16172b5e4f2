/**
 * `--controllers`: which controllers run, by upstream's names and the older ones that it still takes.
 *
 * Source: kubernetes `cmd/kube-controller-manager/names`, `app/controller_descriptor.go`; controller-manager `pkg/app/helper.go`.
 */

/** Older names that upstream takes as well. */
const aliases: Readonly<Record<string, string>> = {
  'serviceaccount-token': 'serviceaccount-token-controller',
  endpoint: 'endpoints-controller',
  endpointslice: 'endpointslice-controller',
  endpointslicemirroring: 'endpointslice-mirroring-controller',
  replicationcontroller: 'replicationcontroller-controller',
  podgc: 'pod-garbage-collector-controller',
  resourcequota: 'resourcequota-controller',
  namespace: 'namespace-controller',
  serviceaccount: 'serviceaccount-controller',
  garbagecollector: 'garbage-collector-controller',
  daemonset: 'daemonset-controller',
  job: 'job-controller',
  deployment: 'deployment-controller',
  replicaset: 'replicaset-controller',
  horizontalpodautoscaling: 'horizontal-pod-autoscaler-controller',
  disruption: 'disruption-controller',
  statefulset: 'statefulset-controller',
  cronjob: 'cronjob-controller',
  csrsigning: 'certificatesigningrequest-signing-controller',
  csrapproving: 'certificatesigningrequest-approving-controller',
  csrcleaner: 'certificatesigningrequest-cleaner-controller',
  ttl: 'ttl-controller',
  bootstrapsigner: 'bootstrap-signer-controller',
  tokencleaner: 'token-cleaner-controller',
  nodeipam: 'node-ipam-controller',
  nodelifecycle: 'node-lifecycle-controller',
  'persistentvolume-binder': 'persistentvolume-binder-controller',
  attachdetach: 'persistentvolume-attach-detach-controller',
  'persistentvolume-expander': 'persistentvolume-expander-controller',
  'clusterrole-aggregation': 'clusterrole-aggregation-controller',
  'pvc-protection': 'persistentvolumeclaim-protection-controller',
  'pv-protection': 'persistentvolume-protection-controller',
  'ttl-after-finished': 'ttl-after-finished-controller',
  'root-ca-cert-publisher': 'root-ca-certificate-publisher-controller',
  'ephemeral-volume': 'ephemeral-volume-controller',
  'resource-claim-controller': 'resourceclaim-controller',
  'legacy-service-account-token-cleaner': 'legacy-serviceaccount-token-cleaner-controller',
  service: 'service-lb-controller',
};

/** Upstream's, and two of our own: `tinkernetes.io/local-path` and the addresses of LoadBalancers. */
const known: ReadonlySet<string> = new Set([
  ...Object.values(aliases),
  'device-taint-eviction-controller',
  'local-path',
  'service-cidr-controller',
  'taint-eviction-controller',
  'validatingadmissionpolicy-status-controller',
  'volumeattributesclass-protection-controller',
]);

/** Upstream's names of controllers that there are none of here, because what they serve is not there either. */
const absent: ReadonlySet<string> = new Set([
  'cloud-node-lifecycle-controller',
  'kube-apiserver-serving-clustertrustbundle-publisher-controller',
  'node-route-controller',
  'podcertificaterequest-cleaner-controller',
  'podgroup-protection-controller',
  'resourcepoolstatusrequest-controller',
  'selinux-warning-controller',
  'service-ca-certificate-publisher-controller',
  'storage-version-migrator-controller',
  'storageversion-garbage-collector-controller',
]);

const offByDefault: ReadonlySet<string> = new Set(['bootstrap-signer-controller', 'token-cleaner-controller']);

/**
 * @param chosen `*`, `name`, `-name`
 * @returns whether a controller runs
 * @throws Error in upstream's words for a name that nobody knows
 */
export function chosenControllers(chosen: readonly string[]): (upstreamName: string) => boolean {
  const unknown: string[] = [];
  const settled = chosen.map((one) => {
    if (one === '*') return one;
    const [sign, written] = one.startsWith('-') ? ['-', one.slice(1)] : ['', one];
    const name = Object.hasOwn(aliases, written) ? (aliases[written] ?? written) : written;
    if (!known.has(name) && !absent.has(name)) unknown.push(JSON.stringify(written));
    return `${sign}${name}`;
  });
  if (unknown.length > 0) throw new Error(`${unknown.join(', ')} is not in the list of known controllers`);
  const all = settled.includes('*');
  return (name) => {
    if (settled.includes(name)) return true;
    if (settled.includes(`-${name}`)) return false;
    return all && !offByDefault.has(name);
  };
}
