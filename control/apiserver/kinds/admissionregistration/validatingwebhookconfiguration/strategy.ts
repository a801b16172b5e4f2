/** ValidatingWebhookConfigurations. Source: upstream `pkg/registry/admissionregistration/validatingwebhookconfiguration/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { reservedNameWarnings } from '../reserved-names.ts';
import { webhookColumns } from '../webhook-columns.ts';
import { setWebhookDefaults } from '../webhook-defaults.ts';
import { validateWebhooks } from '../webhook-validation.ts';

/** Its webhooks are called by the admission plugin ValidatingAdmissionWebhook. */
export const validatingWebhookConfigurationKind = defineKind({
  resource: 'validatingwebhookconfigurations.admissionregistration.k8s.io',
  cluster: true,
  names: nameIsDnsSubdomain,
  checkedAgain: 'last',
  allowUnconditionalUpdate: false,
  defaults: ({ webhooks = [] }) => {
    for (const webhook of webhooks) setWebhookDefaults(webhook);
  },
  generation: ({ webhooks }) => webhooks,
  validate: ({ webhooks }, old) => validateWebhooks(webhooks, old === undefined ? undefined : (old.webhooks ?? [])),
  warnings: reservedNameWarnings,
  columns: webhookColumns,
});
