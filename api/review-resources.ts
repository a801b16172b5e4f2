/**
 * The kinds that are questions: clients create them and read the answer, and nothing is stored. Routes, discovery and the OpenAPI
 * documents follow from this table.
 *
 * Source: kubernetes `pkg/registry/{authentication,authorization}/rest`.
 */
export interface ReviewResource {
  group: string;
  version: string;
  plural: string;
  singular: string;
  kind: string;
  namespaced: boolean;
  /** The type's name in the schema facts. */
  schema: string;
}

const review = (group: string, kind: string, namespaced = false): ReviewResource => ({
  group: `${group}.k8s.io`,
  version: 'v1',
  plural: `${kind.toLowerCase()}s`,
  singular: kind.toLowerCase(),
  kind,
  namespaced,
  schema: `${group}/v1.${kind}`,
});

export const reviewResources: readonly ReviewResource[] = [
  review('authentication', 'SelfSubjectReview'),
  review('authentication', 'TokenReview'),
  review('authorization', 'LocalSubjectAccessReview', true),
  review('authorization', 'SelfSubjectAccessReview'),
  review('authorization', 'SelfSubjectRulesReview'),
  review('authorization', 'SubjectAccessReview'),
];
