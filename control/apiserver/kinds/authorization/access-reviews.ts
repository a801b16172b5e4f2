/**
 * What the three kinds of access reviews share: their validation, and how they ask the authorizer.
 *
 * Source: kubernetes `pkg/apis/authorization/validation`, `pkg/registry/authorization/util/helpers.go`.
 */
import type { FieldError } from '#api/field-error.ts';
import { forbiddenField, invalidValue, required } from '#api/field-error.ts';
import type { JsonObject } from '#api/json.ts';
import { validateLabelRequirement } from '#api/labels.ts';
import { type FieldRequirement, parseFieldSelector, SelectorError } from '#api/selector.ts';
import type {
  FieldSelectorAttributes,
  FieldSelectorRequirement,
  LabelSelectorAttributes,
  ObjectMeta,
  ResourceAttributes,
  SubjectAccessReviewSpec,
  SubjectAccessReviewStatus,
} from '#api/types.generated.ts';
import type { AuthorizationAttributes, Authorizer } from '../../authorization/authorization.ts';
import type { UserInfo } from '../../registry/strategy.ts';
import type { CreateOnlyKind } from '../../rest/create-only.ts';
import { semanticEqual } from '../../validation/semantic-equal.ts';
import { defineReview } from '../define-review.ts';

type AccessReviewKind = 'SelfSubjectAccessReview' | 'SubjectAccessReview' | 'LocalSubjectAccessReview';

interface AccessReview {
  kind: AccessReviewKind;
  metadata: Partial<ObjectMeta>;
  spec: Partial<SubjectAccessReviewSpec>;
}

/** The kind of access review with this name. */
export function defineAccessReview(kind: AccessReviewKind): CreateOnlyKind {
  const reviewOf = (asked: JsonObject): AccessReview =>
    ({ kind, metadata: asked['metadata'] ?? {}, spec: asked['spec'] ?? {} }) as AccessReview;
  return defineReview({
    kind,
    validate: (asked, namespace) => validateAccessReview(reviewOf(asked), namespace),
    async answer({ parts, user }, asked) {
      const { spec } = reviewOf(asked);
      const subject = kind === 'SelfSubjectAccessReview' ? user : subjectOf(spec);
      return { status: { ...(await decideReview(parts.authorizer, subject, spec)) } };
    },
  });
}

const subjectOf = ({ user = '', uid, groups = [], extra = {} }: AccessReview['spec']): UserInfo => ({
  name: user,
  uid,
  groups,
  extra,
});

/** All that is wrong with a review. @param namespace that of the URL: only a local review has one */
function validateAccessReview({ kind, metadata, spec }: AccessReview, namespace: string): FieldError[] {
  const { resourceAttributes, nonResourceAttributes, user = '', groups = [] } = spec;
  const isLocal = kind === 'LocalSubjectAccessReview';
  const errors: FieldError[] = [];
  if (resourceAttributes !== undefined && nonResourceAttributes !== undefined) {
    const why = 'cannot be specified in combination with resourceAttributes';
    errors.push(invalidValue('spec.nonResourceAttributes', nonResourceAttributes, why));
  }
  if (resourceAttributes === undefined && nonResourceAttributes === undefined) {
    const why = 'exactly one of nonResourceAttributes or resourceAttributes must be specified';
    errors.push(invalidValue('spec.resourceAttributes', null, why));
  }
  if (kind !== 'SelfSubjectAccessReview' && user === '' && groups.length === 0)
    errors.push(invalidValue('spec.user', user, 'at least one of user or group must be specified'));
  if (resourceAttributes !== undefined) errors.push(...validateSelectors(resourceAttributes));
  const { managedFields: _managed, namespace: own = namespace, ...more } = metadata;
  if (!semanticEqual(isLocal ? more : { ...more, namespace: metadata.namespace }, {}))
    errors.push(invalidValue('metadata', metadata, isLocal ? 'must be empty except for namespace' : 'must be empty'));
  if (!isLocal) return errors;
  const asked = resourceAttributes?.namespace ?? '';
  if (resourceAttributes !== undefined && asked !== own)
    errors.push(invalidValue('spec.resourceAttributes.namespace', asked, 'must match metadata.namespace'));
  if (nonResourceAttributes !== undefined)
    errors.push(invalidValue('spec.nonResourceAttributes', nonResourceAttributes, 'disallowed on this kind of request'));
  return errors;
}

function validateSelectors({ fieldSelector, labelSelector }: ResourceAttributes): FieldError[] {
  const path = 'spec.resourceAttributes';
  const errors: FieldError[] = [];
  if (fieldSelector !== undefined) {
    errors.push(...validateForm(fieldSelector, `${path}.fieldSelector`));
    fieldSelector.requirements?.forEach((each, index) =>
      errors.push(...validateFieldRequirement(each, `${path}.fieldSelector.requirements[${index}]`)),
    );
  }
  if (labelSelector !== undefined) {
    errors.push(...validateForm(labelSelector, `${path}.labelSelector`));
    labelSelector.requirements?.forEach((each, index) =>
      errors.push(...validateLabelRequirement(each, `${path}.labelSelector.requirements[${index}]`, 'any operator')),
    );
  }
  return errors;
}

/** A selector is given as a text or as a list of requirements, never as both. */
function validateForm(
  { rawSelector = '', requirements = [] }: FieldSelectorAttributes | LabelSelectorAttributes,
  path: string,
): FieldError[] {
  if (rawSelector !== '' && requirements.length > 0)
    return [invalidValue(`${path}.rawSelector`, rawSelector, 'may not specified at the same time as requirements')];
  if (rawSelector !== '' || requirements.length > 0) return [];
  return [required(`${path}.requirements`, `when ${path} is specified, requirements or rawSelector is required`)];
}

/** Unknown operators are accepted: newer clients may know them. */
function validateFieldRequirement(
  { key = '', operator, values = [] }: Partial<FieldSelectorRequirement>,
  path: string,
): FieldError[] {
  const errors = key === '' ? [required(`${path}.key`, 'must be specified')] : [];
  const takesValues = operator === 'In' || operator === 'NotIn';
  if (takesValues && values.length === 0)
    errors.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
  if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0)
    errors.push(forbiddenField(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
  return errors;
}

/** Asks the authorizer the question of a valid review. */
async function decideReview(
  authorizer: Authorizer,
  user: UserInfo,
  { resourceAttributes: resource, nonResourceAttributes: other }: AccessReview['spec'],
): Promise<SubjectAccessReviewStatus> {
  const { requirements, problem } = fieldRequirements(resource?.fieldSelector);
  const attributes: AuthorizationAttributes = {
    user,
    verb: resource?.verb ?? other?.verb ?? '',
    isResource: resource !== undefined,
    group: resource?.group ?? '',
    version: resource?.version || '*',
    resource: resource?.resource ?? '',
    subresource: resource?.subresource ?? '',
    namespace: resource?.namespace ?? '',
    name: resource?.name ?? '',
    path: other?.path ?? '',
    ...(requirements.length === 0 ? {} : { fieldSelector: requirements }),
  };
  const { allowed, denied, reason, error } = await authorizer.authorize(attributes);
  const problems = [problem, error].filter((one) => one !== undefined);
  return {
    allowed,
    ...(denied === true ? { denied } : {}),
    ...(reason === '' ? {} : { reason }),
    ...(problems.length === 0 ? {} : { evaluationError: problems.join(', ') }),
  };
}

/**
 * The requirements of a field selector that we understand. Leaving out the others widens the question, never narrows it, so the
 * answer cannot be too generous.
 */
function fieldRequirements(selector: FieldSelectorAttributes | undefined): {
  requirements: FieldRequirement[];
  problem?: string;
} {
  const { rawSelector = '', requirements: listed = [] } = selector ?? {};
  const ignored = 'spec.resourceAttributes.fieldSelector ignored due to parse error';
  if (rawSelector !== '') {
    try {
      return { requirements: parseFieldSelector(rawSelector) };
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error;
      return { requirements: [], problem: ignored };
    }
  }
  const requirements = listed.flatMap(({ key, operator, values = [] }): FieldRequirement[] => {
    const [value] = values;
    if (value === undefined || values.length !== 1 || (operator !== 'In' && operator !== 'NotIn')) return [];
    return [{ field: key, operator: operator === 'In' ? '=' : '!=', value }];
  });
  if (requirements.length === listed.length) return { requirements };
  return { requirements, problem: requirements.length === 0 ? ignored : ignored.replace('ignored', 'partially ignored') };
}
