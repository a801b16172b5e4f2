/** Columns of the kinds that have little to show. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { ConfigMap, Lease, Namespace, Secret, ServiceAccount } from '#api/types.generated.ts';
import type { TableColumns } from '../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from './columns.ts';

const keyCount = (...maps: (Record<string, string> | undefined)[]): number =>
  maps.reduce((sum, map) => sum + Object.keys(map ?? {}).length, 0);

export const namespaceTable: TableColumns<Namespace> = {
  columns: [nameColumn, column('Status', 'Active, or Terminating while its content is deleted.'), ageColumn],
  cells: (namespace, nowMs) => [namespace.metadata.name, namespace.status?.phase ?? '', ageOf(namespace, nowMs)],
};

export const configMapTable: TableColumns<ConfigMap> = {
  columns: [nameColumn, column('Data', 'How many keys it has.'), ageColumn],
  cells: (map, nowMs) => [map.metadata.name, keyCount(map.data, map.binaryData), ageOf(map, nowMs)],
};

export const secretTable: TableColumns<Secret> = {
  columns: [nameColumn, column('Type', 'What the secret is for.'), column('Data', 'How many keys it has.'), ageColumn],
  cells: (secret, nowMs) => [secret.metadata.name, secret.type ?? '', keyCount(secret.data), ageOf(secret, nowMs)],
};

export const serviceAccountTable: TableColumns<ServiceAccount> = {
  columns: [nameColumn, ageColumn],
  cells: (account, nowMs) => [account.metadata.name, ageOf(account, nowMs)],
};

export const leaseTable: TableColumns<Lease> = {
  columns: [nameColumn, column('Holder', 'Who holds the lease.'), ageColumn],
  cells: (lease, nowMs) => [lease.metadata.name, lease.spec?.holderIdentity ?? '', ageOf(lease, nowMs)],
};
