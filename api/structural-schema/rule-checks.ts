/**
 * Checks of rules when a CustomResourceDefinition is written: they compile, and cannot cost too much.
 *
 * Source: apiextensions-apiserver `pkg/apis/apiextensions/validation/{validation,cel_validation}.go`.
 */
import { type FieldError, forbiddenField, internalFieldError, invalidValue, notSupported, required } from '../field-error.ts';
import type { JSONSchemaProps, ValidationRule } from '../types.generated.ts';
import { FieldPathError, findField } from './field-path.ts';
import { type CompiledRule, compileRules } from './rules.ts';
import { unsupportedReason } from './structural-checks.ts';
import { childPath, keyPath, StructuralSchema } from './structural-schema.ts';

/** Cost limit of one expression, for all of its evaluations on one object. */
export const expressionCostLimit = 10_000_000;

/** Cost limit of all expressions of a schema together. */
export const schemaCostLimit = 100_000_000;

/** Go's largest uint64, to which costs are cut off. */
const maxCost = 2 ** 64;

/** How often a part of a schema can be in one object. */
export class RuleScope {
  /** Undefined: nothing limits it. */
  readonly cardinality: number | undefined;
  constructor(cardinality: number | undefined) {
    this.cardinality = cardinality;
  }

  /** The name of a field, item or value. */
  child(schema: JSONSchemaProps): RuleScope {
    const factor = elementsOf(schema);
    const isBounded = this.cardinality !== undefined && factor !== undefined;
    return new RuleScope(isBounded ? product(this.cardinality as number, factor) : undefined);
  }
}

/** How many parts of a kind a value has. Undefined: nothing limits it. */
function elementsOf({ type, additionalProperties, maxProperties, maxItems }: JSONSchemaProps): number | undefined {
  const isMap = type === 'object' && additionalProperties !== undefined && additionalProperties !== null;
  if (!isMap && type !== 'array') return 1;
  const limit = isMap ? maxProperties : maxItems;
  return limit === undefined ? undefined : Math.max(0, limit);
}

const product = (cost: number, times: number): number => (cost === 0 ? 0 : Math.min(maxCost, cost * times));

/** The rules of one schema. */
export class RuleChecks {
  totalCost = 0;
  /** At most four that contribute more than a hundredth of what is allowed, the most expensive first. */
  mostExpensive: readonly { path: string; cost: number }[] = [];
  readonly #isUnchanged: boolean;

  /** @param isUnchanged then single expressions may cost what they do */
  constructor(isUnchanged: boolean) {
    this.#isUnchanged = isUnchanged;
  }

  #count(path: string, cost: number): void {
    this.totalCost = Math.min(maxCost, this.totalCost + cost);
    if (cost < schemaCostLimit / 100) return;
    this.mostExpensive = [...this.mostExpensive, { path, cost }].sort((a, b) => b.cost - a.cost).slice(0, 4);
  }

  /**
   * Compiles the rules of a node.
   * @param uncorrelatable the part of the schema in which there are no old values to compare with
   */
  check(
    schema: JSONSchemaProps,
    path: string,
    scope: RuleScope,
    isRoot: boolean,
    uncorrelatable: string | undefined,
  ): FieldError[] {
    if ((schema['x-kubernetes-validations'] ?? []).length === 0) return [];
    const isResource = isRoot || schema['x-kubernetes-embedded-resource'] === true;
    const compiled = compileRules(new StructuralSchema(schema), isResource);
    const at = childPath(path, 'x-kubernetes-validations');
    if (compiled === undefined)
      return [
        internalFieldError(
          at,
          'internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations',
        ),
      ];
    return compiled.rules.flatMap((rule, index) => [
      ...this.#costErrors(rule, keyPath(at, index), scope.cardinality ?? compiled.maxCardinality),
      ...oldSelfErrors(rule, keyPath(at, index), uncorrelatable),
    ]);
  }

  #costErrors(compiled: CompiledRule, path: string, cardinality: number): FieldError[] {
    const errors: FieldError[] = [];
    const rulePath = childPath(path, 'rule');
    const messagePath = childPath(path, 'messageExpression');
    const cost = product(compiled.maxCost, cardinality);
    if (!this.#isUnchanged && cost > expressionCostLimit)
      errors.push(forbiddenField(rulePath, costError('estimated rule cost', cost, expressionCostLimit)));
    this.#count(rulePath, cost);
    if (compiled.error !== undefined) errors.push(invalidValue(rulePath, shownRule(compiled.rule), compiled.error));
    if (compiled.messageError !== undefined)
      errors.push(invalidValue(messagePath, shownRule(compiled.rule), compiled.messageError));
    else if (compiled.message !== undefined) {
      const messageCost = compiled.messageMaxCost;
      if (!this.#isUnchanged && messageCost > expressionCostLimit)
        errors.push(forbiddenField(messagePath, costError('estimated messageExpression cost', messageCost, expressionCostLimit)));
      this.#count(messagePath, messageCost);
    }
    return errors;
  }
}

function oldSelfErrors({ rule, usesOldSelf }: CompiledRule, path: string, uncorrelatable: string | undefined): FieldError[] {
  if (usesOldSelf) {
    if (uncorrelatable === undefined) return [];
    const detail = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${uncorrelatable}`;
    return [invalidValue(childPath(path, 'rule'), rule.rule, detail)];
  }
  if (rule.optionalOldSelf === undefined) return [];
  return [
    invalidValue(childPath(path, 'optionalOldSelf'), rule.optionalOldSelf, 'may not be set if oldSelf is not used in rule'),
  ];
}

/** A rule as Go prints the struct of it. */
const shownRule = ({
  rule,
  message = '',
  messageExpression = '',
  reason,
  fieldPath = '',
  optionalOldSelf,
}: ValidationRule): object => ({
  Rule: rule,
  Message: message,
  MessageExpression: messageExpression,
  Reason: reason ?? null,
  FieldPath: fieldPath,
  OptionalOldSelf: optionalOldSelf ?? null,
});

const reasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];
const hasNewlines = (text: string): boolean => /[\n\r]/.test(text);

/** Checks of a node's rules that need no compilation. */
export function ruleTextErrors(schema: JSONSchemaProps, path: string): FieldError[] {
  const at = childPath(path, 'x-kubernetes-validations');
  return (schema['x-kubernetes-validations'] ?? []).flatMap((rule, index) => textErrors(rule, keyPath(at, index), schema));
}

function textErrors(rule: ValidationRule, path: string, schema: JSONSchemaProps): FieldError[] {
  const { message = '', messageExpression = '', fieldPath = '', reason } = rule;
  const [ruleText, messageText] = [rule.rule.trim(), message.trim()];
  const errors: FieldError[] = [];
  const at = (name: string): string => childPath(path, name);
  const nonEmpty = 'must be non-empty if specified';
  if (ruleText === '') errors.push(required(at('rule'), 'rule is not specified'));
  else if (message !== '' && messageText === '') errors.push(invalidValue(at('message'), message, nonEmpty));
  else if (hasNewlines(messageText)) errors.push(invalidValue(at('message'), message, 'must not contain line breaks'));
  else if (hasNewlines(ruleText) && messageText === '')
    errors.push(required(at('message'), 'message must be specified if rule contains line breaks'));
  if (messageExpression !== '' && messageExpression.trim() === '')
    errors.push(required(at('messageExpression'), 'messageExpression must be non-empty if specified'));
  if (reason !== undefined && !reasons.includes(reason)) errors.push(notSupported(at('reason'), reason, reasons));
  if (fieldPath === '') return errors;
  if (fieldPath.trim() === '') errors.push(invalidValue(at('fieldPath'), fieldPath, nonEmpty));
  if (hasNewlines(fieldPath)) errors.push(invalidValue(at('fieldPath'), fieldPath, 'must not contain line breaks'));
  if (!leadsSomewhere(fieldPath, schema)) errors.push(invalidValue(at('fieldPath'), fieldPath, 'must be a valid path'));
  return errors;
}

function leadsSomewhere(fieldPath: string, schema: JSONSchemaProps): boolean {
  if (unsupportedReason(schema) !== undefined) return true;
  try {
    findField(fieldPath, new StructuralSchema(schema));
    return true;
  } catch (error) {
    if (error instanceof FieldPathError) return false;
    throw error;
  }
}

/** By how much a cost is too high. */
export function costError(what: string, cost: number, limit: number): string {
  const factor = cost / limit;
  const shown = factor > 100 ? 'more than 100x' : `${factor.toFixed(factor < 1.5 ? 6 : 1)}x`;
  return `${what} exceeds budget by factor of ${shown} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`;
}
