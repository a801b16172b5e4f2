/**
 * Kinds that are questions to the server: a client creates one and reads the answer, and nothing is stored. Routes, discovery and
 * the OpenAPI documents are built from this table. These kinds are part of the server, so they are never added or removed.
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

/** The review kinds. */
export const reviewResources: readonly ReviewResource[] = [
  review('authentication', 'SelfSubjectReview'),
  review('authentication', 'TokenReview'),
  review('authorization', 'LocalSubjectAccessReview', true),
  review('authorization', 'SelfSubjectAccessReview'),
  review('authorization', 'SelfSubjectRulesReview'),
  review('authorization', 'SubjectAccessReview'),
];

/** A Binding without the pod's name in the path. It is older than subresources; `pods/binding` does the same. */
export const bindingResource: ReviewResource = {
  group: '',
  version: 'v1',
  plural: 'bindings',
  singular: 'binding',
  kind: 'Binding',
  namespaced: true,
  schema: 'core/v1.Binding',
};
