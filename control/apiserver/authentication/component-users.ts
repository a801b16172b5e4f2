/**
 * The users of the control plane itself, under the names of upstream's components. (Agents are `system:node:<name>` of the group
 * `system:nodes`, by their certificates.)
 *
 * Source: kubeadm's certificates; apiserver `pkg/server/options/serving_with_loopback.go`.
 */
import type { UserInfo } from '../registry/strategy.ts';

export type ComponentName = 'apiserver' | 'kube-controller-manager' | 'kube-scheduler';

/** Only the API server's own client may do everything and is never told to wait (upstream's loopback client). */
export const componentUser = (name: ComponentName): UserInfo => ({
  name: `system:${name}`,
  groups: name === 'apiserver' ? ['system:masters', 'system:authenticated'] : ['system:authenticated'],
  extra: {},
});
