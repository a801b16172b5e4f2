/** Node and pod affinity. Source: upstream `pkg/apis/core/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { forbiddenField, invalidValue, required } from '#api/field-error.ts';
import { validateLabelName, validateLabelSelector } from '#api/labels.ts';
import { isValidLabelValue, nameIsDnsLabel, nameIsDnsSubdomain } from '#api/names.ts';
import type {
  Affinity,
  LabelSelector,
  NodeAffinity,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinity,
  PodAffinityTerm,
  PreferredSchedulingTerm,
  WeightedPodAffinityTerm,
} from '#api/types.generated.ts';
import type { Submitted } from '../submitted.ts';

/**
 * Problems of node affinity, pod affinity and anti-affinity. Source: upstream `pkg/apis/core/validation` (validateAffinity).
 */
export function validateAffinity(affinity: Affinity | undefined, path: string): FieldError[] {
  return [
    ...(affinity?.nodeAffinity === undefined ? [] : validateNodeAffinity(affinity.nodeAffinity, `${path}.nodeAffinity`)),
    ...(affinity?.podAffinity === undefined ? [] : validatePodAffinity(affinity.podAffinity, `${path}.podAffinity`)),
    ...(affinity?.podAntiAffinity === undefined ? [] : validatePodAffinity(affinity.podAntiAffinity, `${path}.podAntiAffinity`)),
  ];
}

function validateNodeAffinity(affinity: NodeAffinity, path: string): FieldError[] {
  const requiredTerms = affinity.requiredDuringSchedulingIgnoredDuringExecution;
  const preferredPath = `${path}.preferredDuringSchedulingIgnoredDuringExecution`;
  const errors: FieldError[] = [];
  if (requiredTerms !== undefined)
    errors.push(...validateNodeSelector(requiredTerms, true, `${path}.requiredDuringSchedulingIgnoredDuringExecution`));
  affinity.preferredDuringSchedulingIgnoredDuringExecution?.forEach(
    ({ weight = 0, preference }: Submitted<PreferredSchedulingTerm>, index) => {
      errors.push(...validateWeight(weight, `${preferredPath}[${index}].weight`));
      errors.push(...validateNodeTerm(preference ?? {}, false, `${preferredPath}[${index}].preference`));
    },
  );
  return errors;
}

/** Which nodes something is bound to. @param checkValues whether values must be such as labels may have */
export function validateNodeSelector(
  { nodeSelectorTerms = [] }: Submitted<NodeSelector>,
  checkValues: boolean,
  path: string,
): FieldError[] {
  const at = `${path}.nodeSelectorTerms`;
  if (nodeSelectorTerms.length === 0) return [required(at, 'must have at least one node selector term')];
  return nodeSelectorTerms.flatMap((term, index) => validateNodeTerm(term, checkValues, `${at}[${index}]`));
}

function validateWeight(weight: number, path: string): FieldError[] {
  return weight > 0 && weight <= 100 ? [] : [invalidValue(path, weight, 'must be in the range 1-100')];
}

/** Preferred terms may hold values that no label can have: they never were checked, and match nothing. */
function validateNodeTerm(
  { matchExpressions = [], matchFields = [] }: NodeSelectorTerm,
  checkValues: boolean,
  path: string,
): FieldError[] {
  return [
    ...matchExpressions.flatMap((one, index) => validateNodeRequirement(one, checkValues, `${path}.matchExpressions[${index}]`)),
    ...matchFields.flatMap((one, index) => validateNodeField(one, `${path}.matchFields[${index}]`)),
  ];
}

function validateNodeRequirement(
  { key = '', operator = '', values = [] }: Submitted<NodeSelectorRequirement>,
  checkValues: boolean,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const at = `${path}.values`;
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) errors.push(required(at, "must be specified when `operator` is 'In' or 'NotIn'"));
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0) errors.push(forbiddenField(at, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
  } else if (operator === 'Gt' || operator === 'Lt') {
    if (values.length !== 1) errors.push(required(at, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
  } else errors.push(invalidValue(`${path}.operator`, operator, 'not a valid selector operator'));
  errors.push(...validateLabelName(key, `${path}.key`));
  if (!checkValues) return errors;
  values.forEach((value, index) =>
    errors.push(...isValidLabelValue(value).map((text) => invalidValue(`${at}[${index}]`, value, text))),
  );
  return errors;
}

function validateNodeField(
  { key = '', operator = '', values = [] }: Submitted<NodeSelectorRequirement>,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (operator !== 'In' && operator !== 'NotIn')
    errors.push(invalidValue(`${path}.operator`, operator, 'not a valid selector operator'));
  else if (values.length !== 1) {
    errors.push(required(`${path}.values`, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"));
  }
  if (key !== 'metadata.name') return [...errors, invalidValue(`${path}.key`, key, 'not a valid field selector key')];
  values.forEach((value, index) => {
    errors.push(...nameIsDnsSubdomain(value, false).map((text) => invalidValue(`${path}.values[${index}]`, value, text)));
  });
  return errors;
}

function validatePodAffinity(affinity: PodAffinity, path: string): FieldError[] {
  const requiredPath = `${path}.requiredDuringSchedulingIgnoredDuringExecution`;
  const preferredPath = `${path}.preferredDuringSchedulingIgnoredDuringExecution`;
  return [
    ...(affinity.requiredDuringSchedulingIgnoredDuringExecution ?? []).flatMap((term, index) =>
      validatePodTerm(term, `${requiredPath}[${index}]`),
    ),
    ...(affinity.preferredDuringSchedulingIgnoredDuringExecution ?? []).flatMap(
      ({ weight = 0, podAffinityTerm }: Submitted<WeightedPodAffinityTerm>, index) => [
        ...validateWeight(weight, `${preferredPath}[${index}].weight`),
        ...validatePodTerm(podAffinityTerm ?? { topologyKey: '' }, `${preferredPath}[${index}].podAffinityTerm`),
      ],
    ),
  ];
}

function validatePodTerm(term: Submitted<PodAffinityTerm>, path: string): FieldError[] {
  const { topologyKey = '' } = term;
  return [
    ...validateLabelSelector(term.labelSelector, `${path}.labelSelector`),
    ...validateLabelSelector(term.namespaceSelector, `${path}.namespaceSelector`),
    ...(term.namespaces ?? []).flatMap((name) =>
      nameIsDnsLabel(name, false).map((text) => invalidValue(`${path}.namespace`, name, text)),
    ),
    ...validateMatchLabelKeys(term.matchLabelKeys, term.mismatchLabelKeys, term.labelSelector, path),
    ...(topologyKey === '' ? [required(`${path}.topologyKey`, 'can not be empty')] : []),
    ...validateLabelName(topologyKey, `${path}.topologyKey`),
  ];
}

/** `matchLabelKeys` and `mismatchLabelKeys`, which refine a selector by the incoming pod's own labels. */
export function validateMatchLabelKeys(
  matchKeys: readonly string[] = [],
  mismatchKeys: readonly string[] = [],
  selector: LabelSelector | undefined,
  path: string,
): FieldError[] {
  const errors = [
    ...validateLabelKeys(matchKeys, selector, `${path}.matchLabelKeys`),
    ...validateLabelKeys(mismatchKeys, selector, `${path}.mismatchLabelKeys`),
  ];
  // The API server itself adds each key once to matchExpressions; a second mention is the user's.
  const selected = new Set(Object.keys(selector?.matchLabels ?? {}));
  const lastOf = new Map(matchKeys.map((key, index) => [key, index]));
  for (const { key } of selector?.matchExpressions ?? []) {
    const index = lastOf.get(key);
    if (index !== undefined && selected.has(key))
      errors.push(invalidValue(`${path}[${index}]`, key, 'exists in both matchLabelKeys and labelSelector'));
    selected.add(key);
  }
  const mismatched = new Set(mismatchKeys);
  matchKeys.forEach((key, index) => {
    if (mismatched.has(key)) {
      errors.push(invalidValue(`${path}.matchLabelKeys[${index}]`, key, 'exists in both matchLabelKeys and mismatchLabelKeys'));
    }
  });
  return errors;
}

function validateLabelKeys(keys: readonly string[], selector: LabelSelector | undefined, path: string): FieldError[] {
  if (keys.length === 0) return [];
  if (selector === undefined) return [forbiddenField(path, 'must not be specified when labelSelector is not set')];
  return keys.flatMap((key, index) => validateLabelName(key, `${path}[${index}]`));
}
