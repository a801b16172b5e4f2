/** How versions are converted. Source: apiextensions-apiserver `pkg/apis/apiextensions/validation/validation.go` (validateCustomResourceConversion). */
import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import { isDns1035Label } from '#api/names.ts';
import type { CustomResourceConversion, CustomResourceDefinition, ExtensionsWebhookClientConfig } from '#api/types.generated.ts';
import { validateClientConfig } from '../../admissionregistration/webhook-validation.ts';
import { hasUsableCa } from './ca-bundle.ts';
import { isTrue } from './conditions.ts';

const path = 'spec.conversion';
const reviewVersions = ['v1', 'v1beta1'];

/** @param old undefined on create; what it has wrong may stay so */
export function validateConversion(
  conversion: CustomResourceConversion | undefined,
  old: CustomResourceDefinition | undefined,
): FieldError[] {
  if (conversion === undefined) return [];
  const { strategy, webhook } = conversion;
  const strategies =
    strategy === ''
      ? [required(`${path}.strategy`)]
      : ['None', 'Webhook'].includes(strategy)
        ? []
        : [notSupported(`${path}.strategy`, strategy, ['None', 'Webhook'])];
  const versions = webhook?.conversionReviewVersions ?? [];
  if (strategy !== 'Webhook') {
    const why = 'should not be set when strategy is not set to Webhook';
    return [
      ...strategies,
      ...(webhook?.clientConfig === undefined ? [] : [forbiddenField(`${path}.webhookClientConfig`, why)]),
      ...(versions.length === 0 ? [] : [forbiddenField(`${path}.conversionReviewVersions`, why)]),
    ];
  }
  const oldVersions = old?.spec.conversion?.webhook?.conversionReviewVersions ?? [];
  const anyVersion = old !== undefined && oldVersions.length > 0 && !oldVersions.some((one) => reviewVersions.includes(one));
  return [...strategies, ...validateWebhook(webhook?.clientConfig, old), ...validateReviewVersions(versions, anyVersion)];
}

function validateWebhook(
  config: ExtensionsWebhookClientConfig | undefined,
  old: CustomResourceDefinition | undefined,
): FieldError[] {
  const at = `${path}.webhookClientConfig`;
  if (config === undefined) return [required(at, 'required when strategy is set to Webhook')];
  const errors = validateClientConfig(config, at);
  if (hasUsableCa(config.caBundle) || mayHaveWrongCa(old)) return errors;
  return [
    ...errors,
    invalidValue(`${at}.caBundle`, config.caBundle, 'unable to load root certificates: unable to parse bytes as PEM block'),
  ];
}

/** Until it is established, and as long as it is wrong already. */
function mayHaveWrongCa(old: CustomResourceDefinition | undefined): boolean {
  return old === undefined || !isTrue(old, 'Established') || !hasUsableCa(old.spec.conversion?.webhook?.clientConfig?.caBundle);
}

function validateReviewVersions(versions: readonly string[], anyVersion: boolean): FieldError[] {
  const at = `${path}.conversionReviewVersions`;
  if (versions.length === 0) return [required(at)];
  const seen = new Set<string>();
  const errors = versions.flatMap((version, index) => {
    if (seen.has(version)) return [invalidValue(`${at}[${index}]`, version, 'duplicate version')];
    seen.add(version);
    return isDns1035Label(version).map((why) => invalidValue(`${at}[${index}]`, version, why));
  });
  const isKnown = anyVersion || versions.some((version) => reviewVersions.includes(version));
  return isKnown ? errors : [...errors, invalidValue(at, versions, `must include at least one of ${reviewVersions.join(', ')}`)];
}
