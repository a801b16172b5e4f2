/** What the API promises for absent fields of webhooks. Source: kubernetes `pkg/apis/admissionregistration/v1/defaults.go`. */
import type { MutatingWebhook, ValidatingWebhook } from '#api/types.generated.ts';

/** Sets the defaults of one webhook, in place. */
export function setWebhookDefaults(webhook: MutatingWebhook | ValidatingWebhook): void {
  webhook.failurePolicy ??= 'Fail';
  webhook.matchPolicy ??= 'Equivalent';
  webhook.namespaceSelector ??= {};
  webhook.objectSelector ??= {};
  webhook.timeoutSeconds ??= 10;
  for (const rule of webhook.rules ?? []) rule.scope ??= '*';
  const { service } = webhook.clientConfig ?? {};
  if (service !== undefined) service.port ??= 443;
}
