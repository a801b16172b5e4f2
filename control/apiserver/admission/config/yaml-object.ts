/** Reads configurations of plugins without a versioned kind. */
import { DecodeError } from '#api/codec/json.ts';
import { parseYaml } from '#api/codec/yaml.ts';
import { isJsonObject, type JsonObject } from '#api/json.ts';
import { AdmissionConfigurationError } from './problem.ts';

/** As upstream, anything but an object is read as an empty one. @param text YAML or JSON @throws AdmissionConfigurationError */
export function readYamlObject(text: string): JsonObject {
  try {
    const { value } = parseYaml(text);
    return isJsonObject(value) ? value : {};
  } catch (error) {
    if (error instanceof DecodeError) throw new AdmissionConfigurationError(error.message, { cause: error });
    throw error;
  }
}
