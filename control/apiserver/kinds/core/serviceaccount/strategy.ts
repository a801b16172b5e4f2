/** ServiceAccounts. Source: upstream `pkg/registry/core/serviceaccount/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { ServiceAccount } from '#api/types.generated.ts';
import { defineKind } from '../../define-kind.ts';
import { serviceAccountColumns } from './columns.ts';
import { handleTokenRequest } from './token-requests.ts';

const MOUNTABLE_ANNOTATION = 'kubernetes.io/enforce-mountable-secrets';

/** Has `/token`, which issues tokens and stores nothing. */
export const serviceAccountKind = defineKind({
  resource: 'serviceaccounts',
  names: nameIsDnsSubdomain,
  checkedAgain: 'last',
  prepare: cleanSecrets,
  warnings(account, old) {
    const isNew = account.metadata.annotations?.[MOUNTABLE_ANNOTATION] !== undefined;
    if (!isNew || old?.metadata.annotations?.[MOUNTABLE_ANNOTATION] !== undefined) return [];
    const advice = 'prefer separate namespaces to isolate access to mounted secrets';
    return [`metadata.annotations[${MOUNTABLE_ANNOTATION}]: deprecated in v1.32+; ${advice}`];
  },
  subresources: {
    token: {
      carries: { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' },
      handlers: { create: handleTokenRequest },
    },
  },
  columns: serviceAccountColumns,
});

/** Keeps only the name in references to secrets. */
function cleanSecrets(account: ServiceAccount): void {
  if (account.secrets !== undefined) account.secrets = account.secrets.map(({ name }) => ({ name }));
}
