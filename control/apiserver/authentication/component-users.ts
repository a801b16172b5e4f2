/**
 * The users of the control plane's components, with upstream's names. (Agents are `system:node:<name>` of the group `system:nodes`, by
 * their certificates.)
 *
 * Source: kubeadm's certificates; apiserver `pkg/server/options/serving_with_loopback.go`.
 */
import type { UserInfo } from '../registry/strategy.ts';
import { serviceAccountGroups } from './service-account-names.ts';

/** The service account `kube-system/<name>` of a controller, as with upstream's `--use-service-account-credentials`. */
export const controllerUser = (account: string): UserInfo => ({
  name: `system:serviceaccount:kube-system:${account}`,
  groups: [...serviceAccountGroups('kube-system'), 'system:authenticated'],
  extra: {},
});

/** The components that call the API server in its own process. */
export type ComponentName = 'apiserver' | 'kube-controller-manager' | 'kube-scheduler';

/**
 * The user of a component. Only the API server's own client (upstream's loopback client) is in `system:masters` and exempt from flow
 * control.
 */
export const componentUser = (name: ComponentName): UserInfo => ({
  name: `system:${name}`,
  groups: name === 'apiserver' ? ['system:masters', 'system:authenticated'] : ['system:authenticated'],
  extra: {},
});
