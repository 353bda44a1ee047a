import { gzipSync } from "node:zlib";

export type ArchivedFile = { readonly path: string; readonly content: Uint8Array };

const BLOCK_BYTES = 512;
const NAME_BYTES_MAX = 100;
const PREFIX_BYTES_MAX = 155;

/**
 * The files as a gzipped tar archive of regular files, readable by everybody.
 * Source: POSIX.1-2017, pax, "ustar Interchange Format".
 *
 * @throws {RangeError} for a path that ustar cannot hold
 */
export function tarArchive(files: readonly ArchivedFile[], wallMs: number): Uint8Array {
  const blocks = files.flatMap(({ path, content }) => [
    header(path, content.length, Math.floor(wallMs / 1_000)),
    content,
    new Uint8Array((BLOCK_BYTES - (content.length % BLOCK_BYTES)) % BLOCK_BYTES),
  ]);
  return gzipSync(Buffer.concat([...blocks, new Uint8Array(2 * BLOCK_BYTES)]));
}

function header(path: string, length: number, mtimeSeconds: number): Uint8Array {
  const { prefix, name } = split(path);
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, digits: number, at: number): void =>
    void block.write(`${value.toString(8).padStart(digits, "0")}\0`, at, "latin1");
  block.write(name, 0, "utf8");
  octal(0o644, 7, 100);
  octal(0, 7, 108);
  octal(0, 7, 116);
  octal(length, 11, 124);
  octal(mtimeSeconds, 11, 136);
  block.write("        0", 148, "latin1"); // The checksum counts as spaces; 0 is a regular file.
  block.write("ustar\u000000", 257, "latin1");
  block.write(prefix, 345, "utf8");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function split(path: string): { readonly prefix: string; readonly name: string } {
  const parts = path.split("/");
  for (let first = 0; first < parts.length; first += 1) {
    const prefix = parts.slice(0, first).join("/");
    const name = parts.slice(first).join("/");
    if (
      Buffer.byteLength(name) <= NAME_BYTES_MAX &&
      Buffer.byteLength(prefix) <= PREFIX_BYTES_MAX
    ) {
      return { prefix, name };
    }
  }
  throw new RangeError(`Cannot archive '${path}' as ustar holds no path of that length`);
}
