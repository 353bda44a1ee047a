import type { IncomingMessage } from "node:http";
import { parse } from "yaml";
import { ApiError, badRequest, unsupportedMediaType } from "./api-error.ts";
import type { Json } from "./json.ts";

const bytesMax = 3 * 1024 * 1024;

/** A request's body as bytes. @throws {ApiError} 413 above 3 MiB, as kube-apiserver. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > bytesMax) {
      throw new ApiError(
        413,
        "RequestEntityTooLarge",
        `Request entity too large: limit is ${bytesMax}`,
      );
    }
  }
  return Buffer.concat(chunks);
}

/** The media type of a request, without parameters. */
export function mediaTypeOf(request: IncomingMessage): string {
  return (request.headers["content-type"] ?? "application/json").split(";")[0]?.trim() ?? "";
}

/**
 * A body as JSON, from JSON or YAML.
 * @returns undefined for an empty body.
 * @throws {ApiError} 400 when it does not parse, 415 for protobuf and other types.
 */
export function parseBody(bytes: Buffer, mediaType: string): Json | undefined {
  if (bytes.length === 0) return undefined;
  const isYaml = mediaType.endsWith("yaml");
  if (!isYaml && !mediaType.endsWith("json") && mediaType !== "*/*") {
    throw unsupportedMediaType(mediaType, ["application/json", "application/yaml"]);
  }
  const text = bytes.toString("utf8");
  try {
    return (isYaml ? parse(text) : JSON.parse(text)) as Json;
  } catch (error) {
    throw badRequest(
      `the object provided is unrecognized (must be of type ${mediaType}): ${(error as Error).message}`,
    );
  }
}
