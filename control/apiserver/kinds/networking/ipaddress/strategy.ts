/** IPAddresses: the owners of addresses, such as Services. Source: upstream `pkg/registry/networking/ipaddress/strategy.go`. */
import { defineKind } from '../../define-kind.ts';
import { ipAddressColumns } from './columns.ts';
import { nameIsIp, validateIpAddress } from './validation.ts';

/** The name is the address itself, in canonical form; `spec.parentRef` says who holds it and is immutable. */
export const ipAddressKind = defineKind({
  resource: 'ipaddresses.networking.k8s.io',
  cluster: true,
  names: nameIsIp,
  defaults(object) {
    object.spec ??= {} as typeof object.spec;
  },
  prepare({ metadata }, old) {
    // Use generateName without a suffix: with one, the name would not be an address.
    if (old === undefined && (metadata.generateName ?? '') !== '') metadata.name = metadata.generateName ?? '';
  },
  checkedAgain: 'first',
  validate: validateIpAddress,
  immutable: ['spec.parentRef'],
  columns: ipAddressColumns,
});
