// SPDX-License-Identifier: Apache-2.0
// Remote control: reads one command a line, does it with System.IO.Pipes, and
// answers with one line - what came back, or the name of the exception. So the
// other test program, in C, can tell both ends what to do, step by step, and
// one .NET process serves a whole table. Objects are known by a word.
//
//     start WORD COMMAND...   the command runs by itself
//     join WORD               its answer, or "pending" after ten seconds
using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Pipes;
using System.Linq;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

static class Agent
{
    static readonly Dictionary<string, PipeStream> pipes =
        new Dictionary<string, PipeStream>();
    static readonly Dictionary<string, Task<string>> tasks =
        new Dictionary<string, Task<string>>();

    public static int Run()
    {
        string line;

        ThreadPool.SetMinThreads(32, 32);
        Console.WriteLine("ready");
        while ((line = Console.ReadLine()) != null)
            Console.WriteLine(Answer(line.Split(' ')));
        return 0;
    }

    static string Answer(string[] words)
    {
        try
        {
            if (words[0] == "start")
                return Start(words[1], words.Skip(2).ToArray());
            if (words[0] == "join")
                return Join(words[1]);
            return Do(words);
        }
        catch (Exception e)
        {
            return Name(e);
        }
    }

    static string Name(Exception e)
    {
        if (e is AggregateException)
            e = e.InnerException;
        if (e is OperationCanceledException)
            return "OperationCanceled";
        var name = e.GetType().Name;
        return name.EndsWith("Exception")
            ? name.Substring(0, name.Length - 9) : name;
    }

    static string Start(string word, string[] words)
    {
        tasks[word] = Task.Factory.StartNew(() => Answer(words),
            CancellationToken.None, TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        return "ok";
    }

    static string Join(string word)
    {
        return tasks[word].Wait(10000) ? tasks[word].Result : "pending";
    }

    static string Do(string[] w)
    {
        switch (w[0])
        {
        case "server": return Server(w);
        case "client": return Client(w);
        case "drop":
            pipes.Remove(w[1]);
            return "ok";
        }
        var pipe = pipes[w[1]];
        switch (w[0])
        {
        case "read": return Read(pipe, int.Parse(w[2]));
        case "readall":
            return ReadAll(pipe, int.Parse(w[2]), int.Parse(w[3]));
        case "readbyte": return pipe.ReadByte().ToString();
        case "write": return Write(pipe, w.Length > 2 ? w[2] : "");
        case "writebig": return WriteBig(pipe, int.Parse(w[2]), int.Parse(w[3]));
        case "writebyte":
            pipe.WriteByte(byte.Parse(w[2]));
            return "ok";
        case "asyncread": return AsyncRead(pipe, int.Parse(w[2]));
        case "copy": return Copy(pipe);
        case "echo": return Echo(pipe);
        case "flush":
            pipe.Flush();
            return "ok";
        default: return State(pipe, w);
        }
    }

    // ---- making them ---------------------------------------------------------

    static PipeOptions Options(IEnumerable<string> words)
    {
        var options = PipeOptions.None;

        foreach (var word in words)
            if (word == "user") // CurrentUserOnly, by number: old runtimes
                options |= (PipeOptions)0x20000000;
            else if (word == "first") // FirstPipeInstance
                options |= (PipeOptions)0x00080000;
            else if (word == "async")
                options |= PipeOptions.Asynchronous;
        return options;
    }

    static PipeDirection Direction(string word)
    {
        return (PipeDirection)Enum.Parse(typeof(PipeDirection), word);
    }

    // server WORD NAME DIRECTION MAX [user] [first] [async] [message] [buf=N]
    static string Server(string[] w)
    {
        int buffer = w.Where(x => x.StartsWith("buf="))
                         .Select(x => int.Parse(x.Substring(4)))
                         .FirstOrDefault();
        pipes[w[1]] = new NamedPipeServerStream(w[2], Direction(w[3]),
            int.Parse(w[4]), w.Contains("message")
                ? PipeTransmissionMode.Message : PipeTransmissionMode.Byte,
            Options(w), buffer, buffer);
        return "ok";
    }

    // client WORD NAME DIRECTION [user] [async]
    static string Client(string[] w)
    {
        pipes[w[1]] = new NamedPipeClientStream(".", w[2], Direction(w[3]),
                                                Options(w));
        return "ok";
    }

    // ---- bytes ---------------------------------------------------------------

    static string Text(byte[] bytes, int count)
    {
        return count == 0 ? "0"
                          : count + ":" + Encoding.ASCII.GetString(bytes, 0,
                                                                   count);
    }

    static string Read(PipeStream pipe, int size)
    {
        var bytes = new byte[size];
        return Text(bytes, pipe.Read(bytes, 0, size));
    }

    static string AsyncRead(PipeStream pipe, int size)
    {
        var bytes = new byte[size];
        return Text(bytes, pipe.ReadAsync(bytes, 0, size).Result);
    }

    // Every byte depends on its place: nothing may be lost or moved.
    static byte Pattern(long at)
    {
        return (byte)(at * 7 + (at >> 8));
    }

    // Until `size` bytes or the end, at most `part` at a time: how many, and if
    // they are the right ones.
    static string ReadAll(PipeStream pipe, int size, int part)
    {
        var bytes = new byte[part];
        int got = 0;
        bool same = true;

        while (got < size)
        {
            int n = pipe.Read(bytes, 0, Math.Min(bytes.Length, size - got));
            if (n == 0)
                break;
            for (int i = 0; i < n; i++)
                same &= bytes[i] == Pattern(got + i);
            got += n;
        }
        return got + (same ? " same" : " different");
    }

    static string Write(PipeStream pipe, string text)
    {
        var bytes = Encoding.ASCII.GetBytes(text);
        pipe.Write(bytes, 0, bytes.Length);
        return "ok";
    }

    // `size` bytes of the pattern, `part` at a time.
    static string WriteBig(PipeStream pipe, int size, int part)
    {
        var bytes = new byte[size];
        for (int i = 0; i < size; i++)
            bytes[i] = Pattern(i);
        for (int at = 0; at < size; at += part)
            pipe.Write(bytes, at, Math.Min(part, size - at));
        return "ok";
    }

    static string Copy(PipeStream pipe)
    {
        var all = new MemoryStream();
        pipe.CopyToAsync(all).Wait();
        var bytes = all.ToArray();
        bool same = true;
        for (int i = 0; i < bytes.Length; i++)
            same &= bytes[i] == Pattern(i);
        return bytes.Length + (same ? " same" : " different");
    }

    // Sends back what comes, until the end: how much it was.
    static string Echo(PipeStream pipe)
    {
        var bytes = new byte[65536];
        long total = 0;
        int n;

        while ((n = pipe.Read(bytes, 0, bytes.Length)) > 0)
        {
            pipe.Write(bytes, 0, n);
            total += n;
        }
        return total.ToString();
    }

    // ---- the rest ----------------------------------------------------------------

    static CancellationToken After(string milliseconds)
    {
        var source = new CancellationTokenSource();
        int ms = int.Parse(milliseconds);
        if (ms == 0)
            source.Cancel();
        else
            source.CancelAfter(ms);
        return source.Token;
    }

    static string State(PipeStream pipe, string[] w)
    {
        var server = pipe as NamedPipeServerStream;
        var client = pipe as NamedPipeClientStream;

        switch (w[0])
        {
        case "wait":
            server.WaitForConnection();
            return "ok";
        case "waitcancel":
            server.WaitForConnectionAsync(After(w[2])).Wait();
            return "ok";
        case "connect":
            client.Connect(int.Parse(w[2]));
            return "ok";
        case "connectcancel":
            client.ConnectAsync(After(w[2])).Wait();
            return "ok";
        case "disconnect":
            server.Disconnect();
            return "ok";
        case "user": return server.GetImpersonationUserName();
        case "instances": return client.NumberOfServerInstances.ToString();
        case "dispose":
            pipe.Dispose();
            return "ok";
        case "connected": return pipe.IsConnected.ToString();
        case "complete": return pipe.IsMessageComplete.ToString();
        case "mode": return pipe.TransmissionMode.ToString();
        case "readmode":
            pipe.ReadMode = (PipeTransmissionMode)int.Parse(w[2]);
            return "ok";
        case "inbuf": return pipe.InBufferSize.ToString();
        case "outbuf": return pipe.OutBufferSize.ToString();
        case "drain":
            pipe.WaitForPipeDrain();
            return "ok";
        }
        return "unknown command";
    }
}
