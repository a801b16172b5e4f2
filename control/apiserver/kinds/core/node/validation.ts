/** Nodes. Source: upstream `pkg/apis/core/validation/validation.go`, ValidateNode. */
import type { FieldError } from '#api/field-error.ts';
import { duplicate, forbiddenField, internalFieldError, invalidValue } from '#api/field-error.ts';
import { parseCidrSloppy } from '#api/ip.ts';
import type { Node } from '#api/types.generated.ts';
import { validateCidr } from '../../../validation/ip.ts';
import { validateResourceQuantity } from '../../../validation/pod-spec/resources.ts';
import { validateTaints } from '../../../validation/pod-spec/scheduling.ts';
import { validateNodeAnnotations } from './annotations-validation.ts';
import { validateNodeConfig } from './config-source-validation.ts';

/** Problems of a Node. Those of taints have paths below `metadata`, as upstream's. */
export function validateNode(node: Node): FieldError[] {
  const cidrs = node.spec?.podCIDRs ?? [];
  const errors = [
    ...validateNodeAnnotations(node),
    ...validateTaints(node.spec?.taints ?? [], 'metadata.taints'),
    ...validateNodeResources(node),
    ...validateSwap(node),
    ...validateDeclaredFeatures(node),
    ...cidrs.flatMap((cidr, index) => validateCidr(cidr, `spec.podCIDRs[${index}]`)),
  ];
  const families = new Set(cidrs.map((cidr) => cidr.includes(':')));
  const unreadable = cidrs.findIndex((cidr) => parseCidrSloppy(cidr) === undefined);
  if (cidrs.length > 1 && unreadable >= 0) {
    const why = `invalid CIDR[${unreadable}]: <nil> (invalid CIDR address: ${cidrs[unreadable]})`;
    errors.push(internalFieldError('spec.podCIDRs', `invalid PodCIDRs. failed to check with dual stack with error:${why}`));
  }
  if (cidrs.length > 1 && (cidrs.length > 2 || families.size < 2 || unreadable >= 0)) {
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

/** Problems of the swap capacity. Their paths lie below `metadata`, as upstream's. */
function validateSwap({ status }: Node): FieldError[] {
  const capacity = status?.nodeInfo?.swap?.capacity;
  if (capacity === undefined || capacity > 0) return [];
  return [invalidValue('metadata.nodeSwapStatus.capacity', capacity, 'must be greater than zero')];
}

const featureName = /^([A-Z][a-zA-Z0-9]*)(\/[a-zA-Z][a-zA-Z0-9]*)*$/;
const featureRule =
  "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes";

/** Problems of `declaredFeatures`: well-formed, sorted, none twice (KEP-5328). */
function validateDeclaredFeatures({ status }: Node): FieldError[] {
  const features = status?.declaredFeatures ?? [];
  return features.flatMap((feature, index) => {
    const at = `status.declaredFeatures[${index}]`;
    const previous = features[index - 1];
    const named = `invalid feature name ${JSON.stringify(feature)}:`;
    const errors: FieldError[] = [];
    if (previous === feature) errors.push(duplicate(at, feature));
    else if (previous !== undefined && previous > feature)
      errors.push(invalidValue(at, feature, 'list must be sorted alphabetically'));
    if (feature.length > 253) errors.push(invalidValue(at, feature, `${named} must be no more than 253 characters`));
    else if (!featureName.test(feature)) errors.push(invalidValue(at, feature, `${named} ${featureRule}`));
    return errors;
  });
}

/** Problems of an update: pod CIDRs and provider ID cannot change once they are set. */
export function validateNodeUpdate(node: Node, old: Node): FieldError[] {
  const errors = [...validateNodeAnnotations(node), ...validateNodeResources(node), ...validateDeclaredFeatures(node)];
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
  errors.push(...validateNodeConfig(node), ...validateTaints(node.spec?.taints ?? [], 'metadata.taints'));
  if ((node.spec?.externalID ?? '') !== (old.spec?.externalID ?? ''))
    errors.push(forbiddenField('spec.externalID', 'may not be updated'));
  return errors;
}
