/** Projected volumes: several sources in one directory. Source: upstream `pkg/apis/core/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { forbiddenField, invalidValue, required } from '#api/field-error.ts';
import type { KeyToPath, ProjectedVolumeSource, ServiceAccountTokenProjection, VolumeProjection } from '#api/types.generated.ts';
import { validateFileMode, validateLocalNonReservedPath } from '../paths.ts';
import { validateDownwardFile, validateKeyToPath } from './volume-files.ts';

const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 2 ** 32;

/**
 * Problems of a projected volume: its sources, and two files at one path. Source: upstream `pkg/apis/core/validation`
 * (validateProjectedVolumeSource).
 */
export function validateProjected({ defaultMode, sources = [] }: ProjectedVolumeSource, path: string): FieldError[] {
  const paths = new Set<string>();
  return [
    ...validateFileMode(defaultMode, `${path}.defaultMode`),
    ...sources.flatMap((source, index) => validateProjection(source, paths, path, `${path}.sources[${index}]`)),
  ];
}

function validateProjection(source: VolumeProjection, paths: Set<string>, volumePath: string, path: string): FieldError[] {
  const { secret, configMap, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } = source;
  const errors: FieldError[] = [];
  const conflict = (file: string, shown: string): FieldError[] => {
    if (file === '') return [];
    if (paths.has(file)) return [invalidValue(volumePath, shown, 'conflicting duplicate paths')];
    paths.add(file);
    return [];
  };
  const keys = (name: string | undefined, items: readonly KeyToPath[], at: string): void => {
    if (!name) errors.push(required(`${at}.name`));
    items.forEach((item, index) => {
      errors.push(...validateKeyToPath(item, `${at}.items[${index}]`), ...conflict(item.path ?? '', name ?? ''));
    });
  };
  if (secret !== undefined) keys(secret.name, secret.items ?? [], `${path}.secret`);
  if (configMap !== undefined) keys(configMap.name, configMap.items ?? [], `${path}.configMap`);
  for (const file of downwardAPI?.items ?? []) {
    errors.push(...validateDownwardFile(file, `${path}.downwardAPI`), ...conflict(file.path ?? '', file.path ?? ''));
  }
  if (serviceAccountToken !== undefined)
    errors.push(...validateToken(serviceAccountToken, volumePath, `${path}.serviceAccountToken`));
  if (clusterTrustBundle !== undefined) {
    const at = `${path}.clusterTrustBundle`;
    const { name, signerName, path: file } = clusterTrustBundle;
    if (name !== undefined && signerName !== undefined) {
      errors.push(invalidValue(at, clusterTrustBundle, 'only one of name and signerName may be used'));
    } else if (name === undefined && signerName === undefined) {
      errors.push(required(at, 'either name or signerName must be specified'));
    }
    if (!file) errors.push(required(`${at}.path`));
    errors.push(...validateLocalNonReservedPath(file ?? '', `${at}.path`), ...conflict(file ?? '', file ?? ''));
  }
  const given = [secret, configMap, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate].filter(
    (one) => one !== undefined,
  );
  if (given.length > 1) errors.push(forbiddenField(path, 'may not specify more than 1 volume type per source'));
  return errors;
}

function validateToken(
  { expirationSeconds = 0, path: file }: ServiceAccountTokenProjection,
  volumePath: string,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const at = `${path}.expirationSeconds`;
  if (expirationSeconds < MIN_TOKEN_SECONDS)
    errors.push(invalidValue(at, expirationSeconds, 'may not specify a duration less than 10 minutes'));
  if (expirationSeconds > MAX_TOKEN_SECONDS) {
    errors.push(invalidValue(at, expirationSeconds, 'may not specify a duration larger than 2^32 seconds'));
  }
  if (!file) return [...errors, required(`${volumePath}.path`)];
  return [...errors, ...validateLocalNonReservedPath(file, `${volumePath}.path`)];
}
