// SPDX-License-Identifier: Apache-2.0
// The C# side of the scenarios that peer.c tells: AnonymousPipeServerStream as
// the parent, AnonymousPipeClientStream as the child, used as their
// documentation shows it. Compiles with the .NET SDK and with Mono's mcs.
//
//     Peer parent SCENARIO CHILD...    starts CHILD... child SCENARIO IN OUT
//     Peer child SCENARIO IN OUT
using System;
using System.Diagnostics;
using System.IO;
using System.IO.Pipes;
using System.Linq;
using System.Text;
using System.Threading;

static class Peer
{
    const int Big = 1 << 20;
    const int Size = 8192;
    static readonly byte[] Five = { 1, 2, 3, 4, 5 };

    static byte[] BigBytes()
    {
        var bytes = new byte[Big];
        for (int i = 0; i < Big; i++)
            bytes[i] = (byte)(i * 7 + (i >> 8));
        return bytes;
    }

    static uint Sum(byte[] bytes)
    {
        uint sum = 0;
        foreach (byte b in bytes)
            sum += b;
        return sum;
    }

    static byte[] ReadExactly(Stream stream, int size)
    {
        var bytes = new byte[size];
        for (int at = 0; at < size;)
        {
            int n = stream.Read(bytes, at, size - at);
            if (n == 0)
                throw new EndOfStreamException();
            at += n;
        }
        return bytes;
    }

    // Messages with their length in front, which C calls WPIPE_FRAMING_LE32.
    static byte[] ReadMessage(BinaryReader reader)
    {
        return reader.ReadBytes(reader.ReadInt32());
    }

    static void WriteMessage(BinaryWriter writer, byte[] message)
    {
        writer.Write(message.Length);
        writer.Write(message);
        writer.Flush();
    }

    static void Child(string scenario, PipeStream input, PipeStream output)
    {
        switch (scenario)
        {
        case "hundred":
            output.WriteByte((byte)(input.ReadByte() * 2));
            break;
        case "child-closes":
            output.Write(Five, 0, 5);
            break;
        case "parent-closes":
            byte count = 0;
            while (input.ReadByte() >= 0)
                count++;
            output.WriteByte(count);
            break;
        case "big":
            new BinaryWriter(output).Write(Sum(ReadExactly(input, Big)));
            break;
        case "framed":
            var reader = new BinaryReader(input);
            var writer = new BinaryWriter(output);
            if (Encoding.UTF8.GetString(ReadMessage(reader)) != "Hello")
                throw new InvalidDataException();
            WriteMessage(writer, Encoding.UTF8.GetBytes("Hello right back!"));
            WriteMessage(writer, ReadMessage(reader));
            break;
        case "size":
            new BinaryWriter(output).Write(input.InBufferSize);
            break;
        case "broken":
            input.Dispose();
            output.WriteByte(1);
            break;
        default:
            throw new ArgumentException(scenario);
        }
    }

    static string TryWrite(Stream output)
    {
        try
        {
            output.WriteByte(1);
            return "written";
        }
        catch (IOException)
        {
            return "broken";
        }
    }

    static string Parent(string scenario, AnonymousPipeServerStream output,
                         PipeStream input)
    {
        switch (scenario)
        {
        case "hundred":
            output.WriteByte(100);
            return input.ReadByte().ToString();
        case "child-closes":
            return string.Join(" ", ReadExactly(input, 5));
        case "parent-closes":
            output.Write(Five, 0, 5);
            output.Dispose();
            return input.ReadByte().ToString();
        case "big":
            byte[] big = BigBytes();
            output.Write(big, 0, Big);
            return new BinaryReader(input).ReadUInt32() == Sum(big) ? "same"
                                                                    : "other";
        case "framed":
            var writer = new BinaryWriter(output);
            var reader = new BinaryReader(input);
            WriteMessage(writer, Encoding.UTF8.GetBytes("Hello"));
            string answer = Encoding.UTF8.GetString(ReadMessage(reader));
            WriteMessage(writer, BigBytes());
            return answer + " " +
                   (ReadMessage(reader).SequenceEqual(BigBytes()) ? "same"
                                                                  : "other");
        case "size":
            int theirs = new BinaryReader(input).ReadInt32();
            return output.OutBufferSize + " " + theirs;
        case "broken":
            input.ReadByte();
            return TryWrite(output);
        default:
            throw new ArgumentException(scenario);
        }
    }

    static int RunParent(string scenario, string[] command)
    {
        int size = scenario == "size" ? Size : 0;
        using (var output = new AnonymousPipeServerStream(
                   PipeDirection.Out, HandleInheritability.Inheritable, size))
        using (var input = new AnonymousPipeServerStream(
                   PipeDirection.In, HandleInheritability.Inheritable))
        {
            var start = new ProcessStartInfo(command[0]);
            start.UseShellExecute = false;
            start.Arguments =
                string.Join(" ", command.Skip(1).Select(a => "\"" + a + "\"")) +
                " child " + scenario + " " + output.GetClientHandleAsString() +
                " " + input.GetClientHandleAsString();
            using (Process child = Process.Start(start))
            {
                output.DisposeLocalCopyOfClientHandle();
                input.DisposeLocalCopyOfClientHandle();
                string seen = Parent(scenario, output, input);
                seen += input.ReadByte() < 0 ? " end" : " more";
                child.WaitForExit();
                Console.WriteLine(seen + " exit " + child.ExitCode);
            }
        }
        return 0;
    }

    static int Main(string[] args)
    {
        // Never longer than the test that we are a part of.
        new Timer(_ => Environment.Exit(3), null, 20000, Timeout.Infinite);
        if (args.Length > 2 && args[0] == "parent")
            return RunParent(args[1], args.Skip(2).ToArray());
        if (args.Length != 4 || args[0] != "child")
            return 2;
        using (var input =
                   new AnonymousPipeClientStream(PipeDirection.In, args[2]))
        using (var output =
                   new AnonymousPipeClientStream(PipeDirection.Out, args[3]))
            Child(args[1], input, output);
        return 0;
    }
}
