/** PriorityLevelConfigurations. Source: upstream `pkg/apis/flowcontrol/validation/validation.go`, apiserver `pkg/util/shufflesharding`. */
import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import { ownValue } from '#api/own-value.ts';
import type {
  ExemptPriorityLevelConfiguration,
  LimitedPriorityLevelConfiguration,
  LimitResponse,
  PriorityLevelConfiguration,
  PriorityLevelConfigurationSpec,
  QueuingConfiguration,
} from '#api/types.generated.ts';
import { goValue } from '../../../validation/go-value.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import type { Submitted } from '../../../validation/submitted.ts';
import { validateFlowConditions } from '../conditions-validation.ts';
import { exempt, mandatoryPriorityLevels } from '../default-objects.ts';

const maxQueues = 10_000_000;
const maxHashBits = 60;
/** An annotation that only v1beta3 uses. */
const zeroSharesAnnotation = 'flowcontrol.k8s.io/preserve-zero-concurrency-shares';

/**
 * Validates spec and status. A mandatory level must keep its fixed spec. Source: upstream `pkg/apis/flowcontrol/validation`
 * (ValidatePriorityLevelConfiguration).
 */
export function validatePriorityLevel({ metadata, spec, status }: PriorityLevelConfiguration): FieldError[] {
  const isAnnotated = Object.hasOwn(metadata.annotations ?? {}, zeroSharesAnnotation);
  return [
    ...(isAnnotated ? [forbiddenField('metadata.annotations', `annotation '${zeroSharesAnnotation}' is forbidden`)] : []),
    ...validateSpec(metadata.name, spec),
    ...validateFixed(metadata.name, spec),
    ...validateFlowConditions(status?.conditions),
  ];
}

function validateFixed(name: string, spec: PriorityLevelConfigurationSpec): FieldError[] {
  const fixed = ownValue(mandatoryPriorityLevels, name);
  if (fixed === undefined) return [];
  // Administrators may change the exempt level's `exempt` field.
  const isSame = semanticEqual(name === exempt ? { ...spec, exempt: fixed.exempt } : spec, fixed);
  if (isSame) return [];
  const part = name === exempt ? " except the 'spec.exempt' field" : '';
  const shown = goValue('flowcontrol/v1.PriorityLevelConfigurationSpec', spec, {});
  return [invalidValue('spec', shown, `spec of '${name}'${part} must equal the fixed value`)];
}

function validateSpec(name: string, spec: Submitted<PriorityLevelConfigurationSpec>): FieldError[] {
  const { type = '', limited } = spec;
  const errors: FieldError[] = [];
  if ((name === exempt) !== (type === 'Exempt'))
    errors.push(invalidValue('spec.type', type, "must be 'Exempt' if and only if `name` is 'exempt'"));
  switch (type) {
    case 'Exempt':
      if (limited !== undefined) errors.push(forbiddenField('spec.limited', 'must be nil if the type is not Limited'));
      return spec.exempt === undefined ? errors : [...errors, ...validateExempt(spec.exempt)];
    case 'Limited':
      if (spec.exempt !== undefined) errors.push(forbiddenField('spec.exempt', 'must be nil if the type is Limited'));
      if (limited === undefined) return [...errors, required('spec.limited', 'must not be empty when type is Limited')];
      return [...errors, ...validateLimited(limited)];
    default:
      return [...errors, notSupported('spec.type', type, ['Exempt', 'Limited'])];
  }
}

const validateShares = (shares: number | undefined, path: string): FieldError[] =>
  (shares ?? 0) < 0 ? [invalidValue(`${path}.nominalConcurrencyShares`, shares, 'must be a non-negative integer')] : [];

const validateLendable = (percent: number | undefined, path: string): FieldError[] =>
  percent === undefined || (percent >= 0 && percent <= 100)
    ? []
    : [invalidValue(`${path}.lendablePercent`, percent, 'must be between 0 and 100, inclusive')];

const validateExempt = (level: ExemptPriorityLevelConfiguration): FieldError[] => [
  ...validateShares(level.nominalConcurrencyShares, 'spec.exempt'),
  ...validateLendable(level.lendablePercent, 'spec.exempt'),
];

function validateLimited(level: LimitedPriorityLevelConfiguration): FieldError[] {
  const path = 'spec.limited';
  const borrowed = level.borrowingLimitPercent;
  return [
    ...validateShares(level.nominalConcurrencyShares, path),
    ...validateResponse(level.limitResponse ?? {}, `${path}.limitResponse`),
    ...validateLendable(level.lendablePercent, path),
    ...(borrowed !== undefined && borrowed < 0
      ? [invalidValue(`${path}.borrowingLimitPercent`, borrowed, 'if specified, must be a non-negative integer')]
      : []),
  ];
}

function validateResponse({ type = '', queuing }: Submitted<LimitResponse>, path: string): FieldError[] {
  const at = `${path}.queuing`;
  switch (type) {
    case 'Reject':
      return queuing === undefined ? [] : [forbiddenField(at, 'must be nil if limited.limitResponse.type is not Limited')];
    case 'Queue':
      if (queuing === undefined) return [required(at, 'must not be empty if limited.limitResponse.type is Limited')];
      return validateQueuing(queuing, at);
    default:
      return [notSupported(`${path}.type`, type, ['Queue', 'Reject'])];
  }
}

function validateQueuing({ queueLengthLimit = 0, queues = 0, handSize = 0 }: QueuingConfiguration, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const wrong = (field: string, value: number, why: string): void =>
    void errors.push(invalidValue(`${path}.${field}`, value, why));
  if (queueLengthLimit <= 0) wrong('queueLengthLimit', queueLengthLimit, 'must be positive');
  if (queues <= 0) wrong('queues', queues, 'must be positive');
  else if (queues > maxQueues) wrong('queues', queues, `must not be greater than ${maxQueues}`);
  // The bits of a hash that shuffle sharding needs for one hand of queues.
  const bits = Math.ceil(Math.log2(queues) * handSize);
  const tooMany = `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${maxHashBits}`;
  if (handSize <= 0) wrong('handSize', handSize, 'must be positive');
  else if (handSize > queues) wrong('handSize', handSize, `should not be greater than queues (${queues})`);
  else if (bits > maxHashBits) wrong('handSize', handSize, tooMany);
  return errors;
}
