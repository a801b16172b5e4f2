/** Nodes. Source: upstream `pkg/apis/core/validation/validation.go`, ValidateNode. */
import type { FieldError } from '#api/field-error.ts';
import { duplicate, forbiddenField, invalidValue } from '#api/field-error.ts';
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { Node } from '#api/types.generated.ts';
import { validateCidr } from './ip.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from './object-meta.ts';
import { validateResourceQuantity } from './resources.ts';
import { validateTaints } from './scheduling.ts';

/** Taints are reported under `metadata`, as upstream does. */
export function validateNode(node: Node): FieldError[] {
  const cidrs = node.spec?.podCIDRs ?? [];
  const errors = [
    ...validateObjectMeta(node.metadata, { namespaced: false, name: nameIsDnsSubdomain }),
    ...validateTaints(node.spec?.taints ?? [], 'metadata.taints'),
    ...validateNodeResources(node),
    ...cidrs.flatMap((cidr, index) => validateCidr(cidr, `spec.podCIDRs[${index}]`)),
  ];
  const families = new Set(cidrs.map((cidr) => cidr.includes(':')));
  if (cidrs.length > 1 && (cidrs.length > 2 || families.size < 2)) {
    errors.push(invalidValue('spec.podCIDRs', cidrs, 'may specify no more than one CIDR for each IP family'));
  }
  return errors;
}

function validateNodeResources({ status }: Node): FieldError[] {
  return (['capacity', 'allocatable'] as const).flatMap((list) =>
    Object.entries(status?.[list] ?? {}).flatMap(([name, quantity]) =>
      validateResourceQuantity(name, quantity, `status.${list}.${name}`),
    ),
  );
}

/** What was assigned to a node stays: its pod CIDR, its provider's ID. */
export function validateNodeUpdate(node: Node, old: Node): FieldError[] {
  const errors = [...validateObjectMetaUpdate(node.metadata, old.metadata), ...validateNodeResources(node)];
  const seen = new Set<string>();
  node.status?.addresses?.forEach(({ type, address }, index) => {
    const key = `${type} ${address}`;
    if (seen.has(key)) errors.push(duplicate(`status.addresses[${index}]`, { Type: type, Address: address }));
    seen.add(key);
  });
  const cidrError = forbiddenField('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid');
  const [now, before] = [node.spec?.podCIDRs ?? [], old.spec?.podCIDRs ?? []];
  if (before.length > 0 && before.length !== now.length) errors.push(cidrError);
  else before.forEach((cidr, index) => cidr !== now[index] && errors.push(cidrError));
  if (old.spec?.providerID && old.spec.providerID !== node.spec?.providerID) {
    errors.push(forbiddenField('spec.providerID', 'node updates may not change providerID except from "" to valid'));
  }
  errors.push(...validateTaints(node.spec?.taints ?? [], 'metadata.taints'));
  if ((node.spec?.externalID ?? '') !== (old.spec?.externalID ?? ''))
    errors.push(forbiddenField('spec.externalID', 'may not be updated'));
  return errors;
}
