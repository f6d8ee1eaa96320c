// SPDX-License-Identifier: Apache-2.0
// The Node side of the echo tests: net with every framing.
//
//     node peer.js server|client PATH FRAMING
//
// A server serves one client. A client sends messages and expects them back.
'use strict';
const net = require('net');
const [role, path, framing] = process.argv.slice(2);
const sizes = [1, 2, 100, 255, 256, 65535, 65536, 300000];

function framed(message) {
    const length = Buffer.alloc(4);
    switch (framing) {
    case 'raw': return message;
    case 'lines': return Buffer.concat([message, Buffer.from('\n')]);
    case 'headers': return Buffer.concat(
        [Buffer.from(`Content-Length: ${message.length}\r\n\r\n`), message]);
    case 'le32': length.writeUInt32LE(message.length); break;
    case 'be32': length.writeUInt32BE(message.length); break;
    case 'type-le32':
        length.writeUInt32LE(message.length - 1);
        return Buffer.concat([message.subarray(0, 1), length,
                              message.subarray(1)]);
    }
    return Buffer.concat([length, message]);
}

// Where the first message in `bytes` begins and ends, and where the next one
// begins; null while it is not all there.
function find(bytes) {
    let at = 4, size;
    switch (framing) {
    case 'raw': return bytes.length ? [0, bytes.length, bytes.length] : null;
    case 'lines':
        at = bytes.indexOf('\n');
        return at < 0 ? null : [0, at, at + 1];
    case 'headers':
        at = bytes.indexOf('\r\n\r\n') + 4;
        if (at < 4) return null;
        size = Number(/content-length: *(\d+)/i.exec(
            bytes.toString('latin1', 0, at))[1]);
        break;
    case 'type-le32': at = 5; // falls through: the type, then as le32
    default:
        if (bytes.length < at) return null;
        size = framing === 'be32' ? bytes.readUInt32BE(at - 4)
                                  : bytes.readUInt32LE(at - 4);
    }
    return bytes.length < at + size ? null : [at, at + size, at + size];
}

function receive(socket, got) {
    let bytes = Buffer.alloc(0);
    socket.on('data', (data) => {
        let place;
        bytes = Buffer.concat([bytes, data]);
        while ((place = find(bytes)) !== null) {
            const [begin, end, next] = place;
            let message = bytes.subarray(begin, end);
            if (framing === 'type-le32')
                message = Buffer.concat([bytes.subarray(0, 1), message]);
            bytes = bytes.subarray(next);
            got(message);
        }
    });
}

function content(size) {
    return Buffer.from(Array.from({ length: size },
                                  (_, i) => 32 + (i * 11 + size) % 90));
}

if (role === 'server') {
    const server = net.createServer((socket) => {
        server.close();
        receive(socket, (message) => socket.write(framed(message)));
    });
    server.listen(path);
} else {
    const socket = net.connect(path);
    let part = Buffer.alloc(0), i = 0;
    const next = () => socket.write(framed(content(sizes[i])));
    receive(socket, (message) => {
        part = Buffer.concat([part, message]);
        if (framing === 'raw' && part.length < sizes[i])
            return;
        if (!part.equals(content(sizes[i]))) {
            console.error(`${sizes[i]} bytes came back wrong`);
            process.exit(1);
        }
        part = Buffer.alloc(0);
        if (++i === sizes.length) socket.end(); else next();
    });
    socket.on('close', () => { if (i < sizes.length) process.exit(1); });
    next();
}
