/** What is special to ServiceAccounts. Source: upstream `pkg/registry/core/serviceaccount/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { ServiceAccount } from '#api/types.generated.ts';
import type { Strategy } from '../../../registry/strategy.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../../../validation/object-meta.ts';
import { serviceAccountTable } from '../../table/plain.ts';

const MOUNTABLE_ANNOTATION = 'kubernetes.io/enforce-mountable-secrets';
const rules = { namespaced: true, name: nameIsDnsSubdomain };

/** References to secrets carry a name and nothing else. */
function cleanSecrets(account: ServiceAccount): void {
  if (account.secrets !== undefined) account.secrets = account.secrets.map(({ name }) => ({ name }));
}

export const serviceAccountStrategy: Strategy<ServiceAccount> = {
  prepareForCreate: cleanSecrets,
  prepareForUpdate: cleanSecrets,
  validate: (account) => validateObjectMeta(account.metadata, rules),
  validateUpdate: (account, old) => [
    ...validateObjectMetaUpdate(account.metadata, old.metadata),
    ...validateObjectMeta(account.metadata, rules),
  ],
  warnings(account, old) {
    const isNew = account.metadata.annotations?.[MOUNTABLE_ANNOTATION] !== undefined;
    if (!isNew || old?.metadata.annotations?.[MOUNTABLE_ANNOTATION] !== undefined) return [];
    const advice = 'prefer separate namespaces to isolate access to mounted secrets';
    return [`metadata.annotations[${MOUNTABLE_ANNOTATION}]: deprecated in v1.32+; ${advice}`];
  },
  table: serviceAccountTable,
};
