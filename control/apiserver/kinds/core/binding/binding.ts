/**
 * The kind Binding, posted to `bindings` with the pod's name in the body only. It is older than subresources; `pods/binding` does
 * the same.
 *
 * Source: kubernetes `pkg/registry/core/pod/storage/storage.go` (LegacyBindingREST).
 */
import { bindingResource } from '#api/review-resources.ts';
import type { CreateOnlyKind } from '../../../rest/create-only.ts';
import { createBinding } from '../pod/binding.ts';

/** POST to `bindings` binds the pod that the body names. Nothing is stored under this kind. */
export const bindingKind: CreateOnlyKind = {
  resource: bindingResource,
  create: (exchange) => createBinding({ ...exchange, resource: exchange.parts.registry.resource('pods') }, bindingResource),
};
