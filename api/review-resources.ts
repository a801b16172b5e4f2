/**
 * The kinds that are questions: clients create them and read the answer, and nothing is stored. Routes, discovery and the OpenAPI
 * documents follow from this table. They are part of the server and neither come nor go.
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

/** Bindings without the pod's name in the path are from before there were subresources; `pods/binding` does the same. */
export const bindingResource: ReviewResource = {
  group: '',
  version: 'v1',
  plural: 'bindings',
  singular: 'binding',
  kind: 'Binding',
  namespaced: true,
  schema: 'core/v1.Binding',
};
