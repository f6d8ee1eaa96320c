// SPDX-License-Identifier: Apache-2.0
// The counterparts of the C examples, written as a C# programmer would who has
// never heard of windpipe: System.IO.Pipes, BinaryWriter and BinaryReader.
using System;
using System.IO;
using System.IO.Pipes;
using System.Text;
using System.Threading;

// Messages over a byte stream: the length as writer.Write(int) puts it, then
// the bytes. C calls it WPIPE_FRAMING_LE32.
static class Framed
{
    public static byte[] Read(Stream stream)
    {
        byte[] length = ReadBytes(stream, 4);
        return length == null
            ? null : ReadBytes(stream, BitConverter.ToInt32(length, 0));
    }

    public static void Write(Stream stream, byte[] message)
    {
        var bytes = new byte[4 + message.Length];
        BitConverter.GetBytes(message.Length).CopyTo(bytes, 0);
        message.CopyTo(bytes, 4);
        stream.Write(bytes, 0, bytes.Length);
    }

    // null at the end of the stream.
    public static byte[] ReadBytes(Stream stream, int size)
    {
        var bytes = new byte[size];
        for (int at = 0, n; at < size; at += n)
        {
            n = stream.Read(bytes, at, size - at);
            if (n == 0)
                return null;
        }
        return bytes;
    }
}

static class Programs
{
    public static int Run(string program, string role, string name)
    {
        bool server = role == "server";

        switch (program)
        {
        case "flaminio":
            if (server) FlaminioServer(name); else FlaminioClient(name);
            return 0;
        case "raw":
            if (server) RawServer(name); else RawClient(name);
            return 0;
        case "bytes":
            if (server) BytesServer(name); else BytesClient(name);
            return 0;
        case "hello":
            if (server) HelloServer(name); else HelloClient(name);
            return 0;
        }
        return 2;
    }

    // ---- flaminio: events, and {topic, message} both ways ------------------

    static void Send(Stream pipe, string topic, string message)
    {
        var bytes = new MemoryStream();
        var writer = new BinaryWriter(bytes, new UTF8Encoding(false));
        writer.Write(topic);
        writer.Write(message);
        Framed.Write(pipe, bytes.ToArray());
    }

    // Calls `got` for each message until the other end leaves.
    static void Receive(Stream pipe, Func<string, string, bool> got)
    {
        byte[] message;
        bool more = true;

        while (more && (message = Framed.Read(pipe)) != null)
        {
            var reader = new BinaryReader(new MemoryStream(message));
            more = got(reader.ReadString(), reader.ReadString());
        }
    }

    static void Serve(NamedPipeServerStream pipe, int id)
    {
        Console.WriteLine("client {0} connected", id);
        Send(pipe, "welcome", "flaminio is here");
        Receive(pipe, (topic, message) => {
            Console.WriteLine("client {0}: [{1}] {2}", id, topic, message);
            Send(pipe, "heard", message);
            return true;
        });
        Console.WriteLine("client {0} disconnected", id);
        pipe.Dispose();
    }

    // Serves until it is killed.
    static void FlaminioServer(string name)
    {
        for (int id = 1;; id++)
        {
            var pipe = new NamedPipeServerStream(name, PipeDirection.InOut, 10);
            int mine = id;
            if (id == 1)
                Console.WriteLine("serving {0}", name);
            pipe.WaitForConnection();
            new Thread(() => Serve(pipe, mine)).Start();
        }
    }

    static NamedPipeClientStream Connect(string name)
    {
        var pipe = new NamedPipeClientStream(".", name, PipeDirection.InOut);
        pipe.Connect(10000);
        return pipe;
    }

    static void FlaminioClient(string name)
    {
        using (var pipe = Connect(name))
        {
            Send(pipe, "gr\u00fc\u00dfe", "hello from c#");
            Receive(pipe, (topic, message) => {
                Console.WriteLine("[{0}] {1}", topic, message);
                return topic != "heard";
            });
        }
    }

    // ---- one line, and gone ------------------------------------------------

    static void RawServer(string name)
    {
        using (var pipe = new NamedPipeServerStream(name, PipeDirection.In))
        {
            Console.WriteLine("serving {0}", name);
            pipe.WaitForConnection();
            var all = new StreamReader(pipe).ReadToEnd();
            Console.WriteLine(all.Replace("\r", "\\r").Replace("\n", "\\n"));
        }
    }

    static void RawClient(string name)
    {
        using (var pipe = Connect(name))
        {
            var line = Encoding.ASCII.GetBytes("hello from c#\r\n");
            pipe.Write(line, 0, line.Length);
        }
    }

    // ---- one byte each way ---------------------------------------------------

    static void BytesServer(string name)
    {
        using (var pipe = new NamedPipeServerStream(name))
        {
            Console.WriteLine("serving {0}", name);
            pipe.WaitForConnection();
            Console.WriteLine("received {0}", pipe.ReadByte());
            pipe.WriteByte(200);
        }
    }

    static void BytesClient(string name)
    {
        using (var pipe = Connect(name))
        {
            pipe.WriteByte(100);
            Console.WriteLine("received {0}", pipe.ReadByte());
        }
    }

    // ---- whole messages --------------------------------------------------------

    static void HelloServer(string name)
    {
        using (var pipe = new NamedPipeServerStream(name))
        {
            Console.WriteLine("serving {0}", name);
            pipe.WaitForConnection();
            Console.WriteLine(Encoding.UTF8.GetString(Framed.Read(pipe)));
            Framed.Write(pipe, Encoding.UTF8.GetBytes("Hello right back!"));
        }
    }

    static void HelloClient(string name)
    {
        using (var pipe = Connect(name))
        {
            Framed.Write(pipe, Encoding.UTF8.GetBytes("Hello"));
            Console.WriteLine(Encoding.UTF8.GetString(Framed.Read(pipe)));
        }
    }
}
