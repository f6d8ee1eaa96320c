// SPDX-License-Identifier: Apache-2.0
// The connection dance of H.Pipes and named-pipe-wrapper, with System.IO.Pipes
// alone: the client connects to the well-known name, is told the name of a
// pipe of its own, leaves, and connects there. The server closes the first
// pipe before it makes the second, as those libraries do. A message is a
// big-endian length and its bytes; the name is one, in UTF-8 ("h-pipes") or as
// an object of BinaryFormatter ("wrapper"), which only Mono still has.
//
//     Peer second server NAME FORM CLIENTS   echoes to so many, one by one
//     Peer second client NAME FORM ROUNDS    connects anew for each round
using System;
using System.IO;
using System.IO.Pipes;
using System.Text;

static class SecondPipe
{
    const int Messages = 150;

    // ---- messages -----------------------------------------------------------

    static bool ReadAll(Stream pipe, byte[] bytes)
    {
        for (int at = 0; at < bytes.Length;)
        {
            int n = pipe.Read(bytes, at, bytes.Length - at);
            if (n == 0)
                return false;
            at += n;
        }
        return true;
    }

    // null at the end
    static byte[] Read(Stream pipe)
    {
        var length = new byte[4];
        if (!ReadAll(pipe, length))
            return null;
        Array.Reverse(length);
        var bytes = new byte[BitConverter.ToInt32(length, 0)];
        return ReadAll(pipe, bytes) ? bytes : null;
    }

    // In two writes, as those libraries do.
    static void Write(Stream pipe, byte[] bytes)
    {
        var length = BitConverter.GetBytes(bytes.Length);
        Array.Reverse(length);
        pipe.Write(length, 0, 4);
        pipe.Write(bytes, 0, bytes.Length);
        pipe.Flush();
    }

    static byte[] Message(int number)
    {
        return Encoding.UTF8.GetBytes(
            "\"" + new string((char)('a' + number % 26), number * number) +
            number + "\"");
    }

    static bool Equal(byte[] a, byte[] b)
    {
        if (a == null || a.Length != b.Length)
            return false;
        for (int i = 0; i < a.Length; i++)
            if (a[i] != b[i])
                return false;
        return true;
    }

    // ---- names --------------------------------------------------------------

    static byte[] NameBytes(string form, string name)
    {
#if __MonoCS__
        if (form == "wrapper")
        {
            var stream = new MemoryStream();
            new System.Runtime.Serialization.Formatters.Binary
                .BinaryFormatter().Serialize(stream, name);
            return stream.ToArray();
        }
#endif
        return Encoding.UTF8.GetBytes(name);
    }

    static string NameOf(string form, byte[] bytes)
    {
#if __MonoCS__
        if (form == "wrapper")
            return (string)new System.Runtime.Serialization.Formatters.Binary
                .BinaryFormatter().Deserialize(new MemoryStream(bytes));
#endif
        return Encoding.UTF8.GetString(bytes);
    }

    // ---- both ends ----------------------------------------------------------

    static NamedPipeServerStream Listen(string name)
    {
        return new NamedPipeServerStream(
            name, PipeDirection.InOut, 1, PipeTransmissionMode.Byte,
            PipeOptions.Asynchronous | PipeOptions.WriteThrough);
    }

    static NamedPipeClientStream Connect(string name)
    {
        var pipe = new NamedPipeClientStream(
            ".", name, PipeDirection.InOut,
            PipeOptions.Asynchronous | PipeOptions.WriteThrough);
        pipe.Connect(10000);
        return pipe;
    }

    static void Serve(string name, string form)
    {
        string second = name + "_" + Guid.NewGuid();
        using (var first = Listen(name))
        {
            first.WaitForConnection();
            Write(first, NameBytes(form, second));
        }
        using (var pipe = Listen(second))
        {
            pipe.WaitForConnection();
            for (byte[] bytes; (bytes = Read(pipe)) != null;)
                Write(pipe, bytes);
        }
    }

    static int Converse(string name, string form)
    {
        string second;
        using (var first = Connect(name))
            second = NameOf(form, Read(first));
        using (var pipe = Connect(second))
            for (int i = 0; i < Messages; i++)
            {
                Write(pipe, Message(i));
                if (!Equal(Read(pipe), Message(i)))
                {
                    Console.Error.WriteLine("message {0} is wrong", i);
                    return 1;
                }
            }
        return 0;
    }

    public static int Run(string role, string name, string form, int times)
    {
        int failed = 0;
        for (int i = 0; i < times && failed == 0; i++)
        {
            if (role == "server")
                Serve(name, form);
            else
                failed = Converse(name, form);
        }
        return failed;
    }
}
