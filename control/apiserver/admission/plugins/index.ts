/**
 * The built-in admission plugins, one line each, in the order in which they are asked.
 *
 * Source: kubernetes `pkg/kubeapiserver/options/plugins.go` (AllOrderedPlugins).
 */
import type { Authorizer } from '../../authorization/authorization.ts';
import type { AdmissionPlugin } from '../plugin.ts';
import { defaultIngressClass } from './default-ingress-class.ts';
import { defaultStorageClass } from './default-storage-class.ts';
import { defaultTolerationSeconds, type TolerationSeconds } from './default-toleration-seconds.ts';
import { limitRanger } from './limit-ranger.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeRestriction } from './node-restriction.ts';
import { persistentVolumeClaimResize } from './persistent-volume-claim-resize.ts';
import { type PodSecurityOptions, podSecurity } from './pod-security.ts';
import { priority } from './priority.ts';
import { resourceQuota } from './resource-quota.ts';
import { runtimeClass } from './runtime-class.ts';
import { serviceAccount } from './service-account.ts';
import { storageObjectInUseProtection } from './storage-object-in-use-protection.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';

export interface AdmissionDeps {
  /** A number in [0, 1), for name suffixes and jitter. */
  random: () => number;
  /** Default: 300 each. */
  tolerationSeconds?: TolerationSeconds | undefined;
  /** Default: privileged everywhere, and nothing is exempt. */
  podSecurity?: PodSecurityOptions | undefined;
  /** Of requests; asked by plugins that look at who may do more than others. */
  authorizer?: Authorizer | undefined;
}

export function admissionPlugins({
  random,
  tolerationSeconds,
  podSecurity: podSecurityOptions,
  authorizer,
}: AdmissionDeps): AdmissionPlugin[] {
  return [
    namespaceLifecycle(),
    limitRanger(),
    serviceAccount({ random }),
    nodeRestriction({ authorizer }),
    taintNodesByCondition(),
    podSecurity(podSecurityOptions),
    priority(),
    defaultTolerationSeconds(tolerationSeconds),
    defaultStorageClass(),
    storageObjectInUseProtection(),
    persistentVolumeClaimResize(),
    runtimeClass(),
    defaultIngressClass(),
    resourceQuota(),
  ];
}
