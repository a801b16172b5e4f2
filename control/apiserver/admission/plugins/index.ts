/**
 * The built-in admission plugins, one line each, in the order in which they are asked.
 *
 * Source: kubernetes `pkg/kubeapiserver/options/plugins.go` (AllOrderedPlugins).
 */
import type { AdmissionPlugin } from '../plugin.ts';
import { defaultTolerationSeconds, type TolerationSeconds } from './default-toleration-seconds.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { priority } from './priority.ts';
import { runtimeClass } from './runtime-class.ts';
import { serviceAccount } from './service-account.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';

export interface AdmissionDeps {
  /** A number in [0, 1), for name suffixes and jitter. */
  random: () => number;
  /** Default: 300 each. */
  tolerationSeconds?: TolerationSeconds | undefined;
}

export function admissionPlugins({ random, tolerationSeconds }: AdmissionDeps): AdmissionPlugin[] {
  return [
    namespaceLifecycle(),
    serviceAccount({ random }),
    taintNodesByCondition(),
    priority(),
    defaultTolerationSeconds(tolerationSeconds),
    runtimeClass(),
  ];
}
