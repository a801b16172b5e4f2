/**
 * The users of the control plane itself, under the names of upstream's components. (Agents are `system:node:<name>` of the group
 * `system:nodes`, by their certificates.)
 *
 * Source: kubeadm's certificates; apiserver `pkg/server/options/serving_with_loopback.go`.
 */
import type { UserInfo } from '../registry/strategy.ts';
import { serviceAccountGroups } from './service-account-names.ts';

/** The service account `kube-system/<name>`, as which a controller acts (upstream's `--use-service-account-credentials`). */
export const controllerUser = (account: string): UserInfo => ({
  name: `system:serviceaccount:kube-system:${account}`,
  groups: [...serviceAccountGroups('kube-system'), 'system:authenticated'],
  extra: {},
});

/** The parts of the control plane that call the API server within its process. */
export type ComponentName = 'apiserver' | 'kube-controller-manager' | 'kube-scheduler';

/** The user of a component. The API server's own client alone is in `system:masters`, and flow control lets it pass (upstream's loopback client). */
export const componentUser = (name: ComponentName): UserInfo => ({
  name: `system:${name}`,
  groups: name === 'apiserver' ? ['system:masters', 'system:authenticated'] : ['system:authenticated'],
  extra: {},
});
