/**
 * One evaluation of a ValidatingAdmissionPolicy: for one request, one binding and one parameter.
 *
 * Source: apiserver `pkg/admission/plugin/policy/validating/validator.go`.
 */

import type { Compiled } from '#api/cel/admission-environments.ts';
import { typeNameOf } from '#api/cel/values.ts';
import type { ValidatingAdmissionPolicy, Validation } from '#api/types.generated.ts';
import { OutOfBudgetError, policyBudget, type RequestAccess, RequestEvaluation } from '../admission-cel.ts';
import type { AdmissionRequest } from '../admission-request.ts';
import { meetsConditions } from '../webhooks/match-conditions.ts';
import { type CompiledValidatingPolicy, compiledValidatingPolicy } from './compiled-policy.ts';

/** What an evaluation is about. */
export interface PolicyQuestion {
  request: AdmissionRequest;
  access: RequestAccess;
  /** Null: the binding has none. */
  params: object | null;
  namespaceObject: object | null;
}

/** What one validation came to. */
export interface PolicyDecision {
  isAllowed: boolean;
  /** It could not be told; the failure policy has decided. */
  isError: boolean;
  /** '' of what is allowed and is no error. */
  message: string;
  /** Undefined: upstream's default, Invalid. */
  reason?: string | undefined;
}

/** What an annotation for the audit event came to. */
export type PolicyAnnotation = { key: string; value: string } | { error: string };

/** What a policy says of a request. */
export interface PolicyVerdict {
  decisions: readonly PolicyDecision[];
  annotations: readonly PolicyAnnotation[];
}

const nothing: PolicyVerdict = { decisions: [], annotations: [] };
const maxMessageBytes = 5 * 1024;

/** Evaluates all of the policy. Never throws for what expressions do. */
export async function evaluateValidatingPolicy(
  policy: ValidatingAdmissionPolicy,
  question: PolicyQuestion,
): Promise<PolicyVerdict> {
  const { matchConditions = [], failurePolicy, paramKind } = policy.spec;
  const isIgnored = failurePolicy === 'Ignore';
  const failed = (message: string): PolicyDecision => ({ isAllowed: isIgnored, isError: true, message });
  if (matchConditions.length > 0) {
    const { request, access, params } = question;
    const asked = paramKind === undefined ? { request, access } : { request, access, params };
    const { matches, problem } = await meetsConditions(matchConditions, asked);
    if (matches === undefined) return isIgnored ? nothing : { decisions: [failed(problem)], annotations: [] };
    if (!matches) return nothing;
  }
  const compiled = compiledValidatingPolicy(policy);
  try {
    const decisions = await decide(policy.spec.validations ?? [], compiled, question, failed);
    return { decisions, annotations: await annotate(compiled, question, isIgnored) };
  } catch (error) {
    if (!(error instanceof OutOfBudgetError)) throw error;
    return { decisions: [failed(error.message)], annotations: [] };
  }
}

const evaluationOf = (
  { request, access, params, namespaceObject }: PolicyQuestion,
  { variables }: Pick<CompiledValidatingPolicy, 'variables'>,
  budget: number,
): RequestEvaluation => new RequestEvaluation(request, access, { params, namespaceObject, variables }, budget);

async function decide(
  validations: readonly Validation[],
  compiled: CompiledValidatingPolicy,
  question: PolicyQuestion,
  failed: (message: string) => PolicyDecision,
): Promise<PolicyDecision[]> {
  const evaluation = evaluationOf(question, compiled, policyBudget);
  const decisions: (PolicyDecision | undefined)[] = [];
  for (const { validation } of compiled.validations) {
    const { value, problem } = await evaluation.evaluate(validation);
    if (problem !== undefined) decisions.push(failed(problem));
    else decisions.push(value === true ? { isAllowed: true, isError: false, message: '' } : undefined);
  }
  const messages = evaluationOf(question, compiled, evaluation.left);
  const all: PolicyDecision[] = [];
  for (const [index, decision] of decisions.entries()) {
    if (decision !== undefined) all.push(decision);
    else all.push(await denial(validations[index] as Validation, compiled.validations[index]?.message, messages, failed));
  }
  return all;
}

async function denial(
  { expression, message = '', reason }: Validation,
  messageExpression: Compiled | undefined,
  messages: RequestEvaluation,
  failed: (message: string) => PolicyDecision,
): Promise<PolicyDecision> {
  let text = '';
  if (messageExpression !== undefined) {
    try {
      const { value } = await messages.evaluate(messageExpression);
      if (typeof value === 'string') text = value.trim();
    } catch (error) {
      if (!(error instanceof OutOfBudgetError)) throw error;
      return failed(`failed messageExpression: ${error.message}`);
    }
  }
  // What cannot stand in an answer is not shown.
  if (Buffer.byteLength(text) > maxMessageBytes || text.includes('\n')) text = '';
  const shown = text || message.trim() || `failed expression: ${expression.trim()}`;
  return { isAllowed: false, isError: false, message: shown, reason };
}

async function annotate(
  compiled: CompiledValidatingPolicy,
  question: PolicyQuestion,
  isIgnored: boolean,
): Promise<PolicyAnnotation[]> {
  if (compiled.annotations.length === 0) return [];
  const evaluation = evaluationOf(question, compiled, policyBudget);
  const annotations: PolicyAnnotation[] = [];
  for (const { key, value: expression } of compiled.annotations) {
    const { value, problem } = await evaluation.evaluate(expression);
    if (problem !== undefined) {
      if (!isIgnored) annotations.push({ error: problem });
    } else if (typeof value === 'string') {
      const text = value.trim();
      if (text !== '') annotations.push({ key, value: text });
    } else if (value !== null)
      annotations.push({
        error: `valueExpression '${expression.source}' resulted in unsupported return type: ${typeNameOf(value)}. Return type must be either string or null.`,
      });
  }
  return annotations;
}
