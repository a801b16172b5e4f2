/**
 * What policies are never asked about. Source: apiserver `pkg/admission/plugin/policy/generic/plugin.go`; kubernetes
 * `pkg/kubeapiserver/admission/exclusion/resources.go`.
 */
import type { AdmissionAttributes } from '../plugin.ts';
import { isExempt } from '../webhooks/webhook-matching.ts';

/** Reviews of who somebody is and what they may do: without them the cluster could not be mended. */
const reviews = new Set([
  'authentication.k8s.io/selfsubjectreviews',
  'authentication.k8s.io/tokenreviews',
  'authorization.k8s.io/localsubjectaccessreviews',
  'authorization.k8s.io/selfsubjectaccessreviews',
  'authorization.k8s.io/selfsubjectrulesreviews',
  'authorization.k8s.io/subjectaccessreviews',
]);

/** What configures admission, and reviews. */
export const isExemptFromPolicies = (attributes: AdmissionAttributes): boolean =>
  reviews.has(`${attributes.resource.group}/${attributes.resource.plural}`) || isPolicy(attributes);

/** As upstream: webhooks' configurations are no exception for policies. */
const isPolicy = (attributes: AdmissionAttributes): boolean =>
  isExempt(attributes) && attributes.resource.plural.includes('admissionpolic');
